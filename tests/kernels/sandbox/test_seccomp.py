"""The filter as the system runs it: its classic BPF is interpreted here, call by call."""

import ctypes
import errno
import platform
import re
import struct
from pathlib import Path

import pytest

from kernels.errors import SandboxUnavailable
from kernels.sandbox.calls import (
    ATTRIBUTES,
    DENIED,
    FOR_NETWORK,
    IGNORED,
    PRETENDED,
    SHARING,
    UNCOUNTED,
    UNKNOWN,
    UNSUPPORTED,
)
from kernels.sandbox.seccomp import assemble

X86_64, I386, AARCH64 = 0xC000003E, 0x40000003, 0xC00000B7
ALLOW, ANSWER = 0x7FFF0000, 0x00050000  # an answer is an error, or 0
SOCKET, SOCKETPAIR, CLONE, IOCTL, PERSONALITY, MKNOD, MKNODAT = 41, 53, 56, 16, 135, 133, 259
HEADERS = [Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), Path("/usr/include/asm/unistd_64.h")]


def verdict(program: bytes, number: int, *arguments: int, architecture: int = X86_64) -> int:
    """The filter's answer to a call, from an interpreter of the few instructions that it may use."""
    steps = list(struct.iter_unpack("=HBBI", program))
    padded = [*(argument & (1 << 64) - 1 for argument in arguments), 0, 0, 0, 0, 0, 0][:6]
    data = struct.pack("=IIQ6Q", number, architecture, 0, *padded)
    accumulator, at = 0, 0
    while True:
        code, then, otherwise, value = steps[at]
        at += 1
        match code:
            case 0x20:
                accumulator = struct.unpack_from("=I", data, value)[0]
            case 0x54:
                accumulator &= value
            case 0x15:
                at += then if accumulator == value else otherwise
            case 0x35:
                at += then if accumulator >= value else otherwise
            case 0x45:
                at += then if accumulator & value else otherwise
            case 0x06:
                return value
            case _:
                raise AssertionError(f"an instruction that no filter needs: {code:#x}")


def refused(number: int) -> int:
    """The verdict that makes a call fail with this error."""
    return 0x00050000 | number


@pytest.mark.parametrize("name", DENIED)
def test_what_is_denied_is_not_permitted(name: str) -> None:
    """EPERM, whatever the arguments."""
    for arguments in ((), (2**64 - 1,) * 6):
        assert verdict(assemble(), DENIED[name], *arguments) == refused(errno.EPERM)


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_new_is_unknown(name: str) -> None:
    """ENOSYS makes a library fall back to the older call."""
    assert verdict(assemble(), UNKNOWN[name]) == refused(errno.ENOSYS)


def test_numbers_are_those_of_the_systems_headers() -> None:
    """No name has another call's number; a call too new for the headers has one that they do not use."""
    header = next((path for path in HEADERS if path.exists()), None)
    if header is None:
        pytest.skip("the system's headers (linux-libc-dev) are not installed")
    numbers = dict(re.findall(r"#define __NR_(\w+) (\d+)", header.read_text()))
    newest = max(map(int, numbers.values()))
    for name, number in (DENIED | UNKNOWN | UNCOUNTED | UNSUPPORTED).items():
        assert int(numbers.get(name, number)) == number, name
        assert name in numbers or number > newest or number in (134, 156, 174, 180), name


def test_all_else_is_allowed() -> None:
    """A call that is not mentioned passes: read, write, openat, execve, and one from the future."""
    for number in (0, 1, 257, 59, 999):
        assert verdict(assemble(), number) == ALLOW


@pytest.mark.parametrize("architecture", [I386, AARCH64, 0])
def test_another_architecture_has_no_calls(architecture: int) -> None:
    """The kernel's 32-bit entry has other numbers, so it is closed."""
    assert verdict(assemble(), 20, architecture=architecture) == refused(errno.ENOSYS)


@pytest.mark.parametrize("number", [0x40000000, 0x40000000 | 101, 0xFFFFFFFF])
def test_there_are_no_x32_numbers(number: int) -> None:
    """The third entry to a 64-bit kernel is closed too, and with it -1, which a tracer uses."""
    assert verdict(assemble(), number) == refused(errno.ENOSYS)


@pytest.mark.parametrize("alone", [True, False])
def test_nothing_that_a_cell_calls_is_written_to_the_audit_log(alone: bool) -> None:
    """Linux writes an entry for whatever a filter kills, traps or logs; a cell may try without end."""
    steps = struct.iter_unpack("=HBBI", assemble(alone=alone, counted=alone))
    verdicts = {value & 0xFFFF0000 for code, _, _, value in steps if code == 0x06}
    assert verdicts == {ALLOW, ANSWER}


@pytest.mark.parametrize(
    "flag",
    [0x80, 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000],
)
def test_clone_makes_no_namespace(flag: int) -> None:
    """Time, mount, cgroup, uts, ipc, user, pid and net: alone, and among the flags of an ordinary fork."""
    for flags in (flag, flag | 0x1200011):
        assert verdict(assemble(), CLONE, flags) == refused(errno.EPERM)


@pytest.mark.parametrize("flags", [17, 0x1200011, 0x3D0F00, 0x4111])
def test_clone_makes_processes_and_threads(flags: int) -> None:
    """fork, glibc's fork, a thread, vfork."""
    assert verdict(assemble(), CLONE, flags) == ALLOW


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("network", [True, False])
def test_socket_families_by_option(alone: bool, network: bool) -> None:
    """Unix where no path leads out, internet and netlink there or where asked for, and no others."""
    program = assemble(alone=alone, network=network)
    allowed = {*([1] if alone else []), *([2, 10, 16] if alone or network else [])}
    for family in range(48):
        # Another error for netlink, which libzmq takes for "no interfaces".
        number = errno.EINVAL if family == 16 else errno.EAFNOSUPPORT
        expected = ALLOW if family in allowed else refused(number)
        assert verdict(program, SOCKET, family, 1, 0) == expected
    assert verdict(program, SOCKETPAIR, 1, 1, 0) == ALLOW
    assert verdict(program, SOCKETPAIR, 30, 1, 0) == refused(errno.EAFNOSUPPORT)


@pytest.mark.parametrize("alone", [True, False])
def test_netlink_tells_of_interfaces_only(*, alone: bool) -> None:
    """Events of devices (15), audit (9), processes (11) and sockets (4) belong to the machine."""
    program = assemble(alone=alone, network=True)
    assert verdict(program, SOCKET, 16, 3, 0) == ALLOW
    for protocol in (4, 9, 11, 15, 16):
        assert verdict(program, SOCKET, 16, 3, protocol) == refused(errno.EPROTONOSUPPORT)
    assert verdict(program, SOCKET, 2, 1, 6) == ALLOW  # in other families any protocol passes, such as TCP


@pytest.mark.parametrize("alone", [True, False])
def test_nobody_looks_into_what_others_read(*, alone: bool) -> None:
    """Which pages of a shared file are in memory is neither revealed nor changed; nobody needs it."""
    program = assemble(alone=alone)
    for call in IGNORED.values():
        assert verdict(program, call) == refused(0)
    for call in (327, 328):  # preadv2, pwritev2
        assert verdict(program, call, 3, 0, 1, 0, 0, 0x8) == refused(errno.EOPNOTSUPP)
        assert verdict(program, call, 3, 0, 1, 0, 0, 0x80) == refused(errno.EOPNOTSUPP)
        assert verdict(program, call, 3, 0, 1, 0, 0, 0x2) == ALLOW  # synced
    assert verdict(program, 28, 0, 4096, 20) == verdict(program, 28, 0, 4096, 21) == refused(0)
    assert verdict(program, 28, 0, 4096, 4) == ALLOW  # MADV_DONTNEED
    for hint in (1036, 1038):
        assert verdict(program, 72, 3, hint) == refused(errno.EPERM)


@pytest.mark.parametrize("alone", [True, False])
def test_no_advice_keeps_memory_locked(*, alone: bool) -> None:
    """Calls that change a flag on all areas only seem to succeed; those that free memory work."""
    program = assemble(alone=alone)
    for advice in (0, 1, 2, 10, 11, 12, 13, 15, 16, 17, 19):
        assert verdict(program, 28, 0, 4096, advice) == refused(0)
    for advice in (3, 4, 8, 9, 14, 18, 22, 23, 25):
        assert verdict(program, 28, 0, 4096, advice) == ALLOW
    assert verdict(program, 157, 0x53564D41, 0) == refused(errno.EINVAL)  # PR_SET_VMA


@pytest.mark.parametrize("alone", [True, False])
def test_nobody_takes_time_from_what_holds_a_lock(*, alone: bool) -> None:
    """Changes of niceness, policy, parameters and slice only seem to succeed, even for the caller itself."""
    for call in (141, 142, 144, 314):
        assert verdict(assemble(alone=alone), call) == refused(0)
    assert verdict(assemble(alone=alone), 140) == verdict(assemble(alone=alone), 145) == ALLOW  # reading them


@pytest.mark.parametrize("alone", [True, False])
def test_no_crash_has_the_machine_run_a_program(*, alone: bool) -> None:
    """The limit on core files cannot be set by either call, at any address; other limits can."""
    program = assemble(alone=alone)
    assert verdict(program, 160, 4, 1 << 40) == refused(0)
    for address in (1, 1 << 32, 1 << 40):
        assert verdict(program, 302, 0, 4, address) == refused(0)
        assert verdict(program, 302, 0, 7, address) == ALLOW
    assert verdict(program, 302, 0, 4, 0, 1 << 40) == verdict(program, 160, 7, 1) == ALLOW
    assert verdict(program, 97, 4, 1) == ALLOW  # getrlimit


@pytest.mark.parametrize("alone", [True, False])
def test_protocols_that_nobody_counts_are_not_there(*, alone: bool) -> None:
    """UDP-Lite, MPTCP, SCTP and SMC are missing; TCP, UDP and ICMP work, by number and by default."""
    program = assemble(alone=alone, network=True)
    for family in (2, 10):
        for protocol in (132, 136, 256, 262, 255, 33):
            assert verdict(program, SOCKET, family, 1, protocol) == refused(errno.EPROTONOSUPPORT)
        for protocol in (0, 1, 6, 17, 58):
            assert verdict(program, SOCKET, family, 1, protocol) == ALLOW


def test_with_a_network_sockets_can_be_bound() -> None:
    """Without a network a kernel could take a name that a program of the host wants."""
    for name in FOR_NETWORK:
        assert verdict(assemble(alone=False), SHARING[name]) == refused(errno.EPERM)
        assert verdict(assemble(alone=False, network=True), SHARING[name]) == ALLOW


def test_attributes_of_files_in_sight_are_not_there() -> None:
    """ENOTSUP, which `shutil.copystat` takes for a file system without attributes."""
    for call in ATTRIBUTES.values():
        assert verdict(assemble(alone=False), call) == refused(errno.ENOTSUP)
        assert verdict(assemble(), call) == ALLOW


def test_with_others_in_sight_nothing_is_done_to_them() -> None:
    """Changes of modes and dates only seem to succeed; limits and processors can be set for oneself only."""
    program = assemble(alone=False)
    for call in (*PRETENDED.values(), 203):
        assert verdict(program, call, 4711) == refused(0)
    assert verdict(program, 302, 4711) == refused(errno.EPERM)
    assert verdict(program, 302, 0) == verdict(program, 203, 0) == ALLOW
    for call in SHARING.values():
        assert verdict(program, call) == refused(errno.EPERM)
        assert verdict(assemble(), call) == ALLOW


@pytest.mark.parametrize("alone", [True, False])
def test_message_queues_are_neither_made_nor_removed(*, alone: bool) -> None:
    """In tier B the queues are the machine's, and Landlock rules only files that have a path."""
    for call in ("mq_open", "mq_unlink"):
        assert verdict(assemble(alone=alone), DENIED[call]) == refused(errno.EPERM)


def test_a_pair_whose_datagrams_can_be_sent_anywhere_is_refused() -> None:
    """A datagram can carry an address; with the machine's sockets in sight, streams and packets remain."""
    program = assemble(alone=False)
    for flags in (0, 0o4000, 0o2000000):
        assert verdict(program, SOCKETPAIR, 1, 2 | flags, 0) == refused(errno.EPROTONOSUPPORT)
        assert verdict(program, SOCKETPAIR, 1, 1 | flags, 0) == ALLOW
        assert verdict(program, SOCKETPAIR, 1, 5 | flags, 0) == ALLOW


def test_the_high_half_of_an_argument_hides_nothing() -> None:
    """The kernel reads a family and flags as 32 bits: higher bits do not change the verdict."""
    above = 1 << 40
    assert verdict(assemble(), SOCKET, above | 40) == refused(errno.EAFNOSUPPORT)
    assert verdict(assemble(), CLONE, above | 0x10000000) == refused(errno.EPERM)
    assert verdict(assemble(), IOCTL, 0, above | 0x5412) == refused(errno.EPERM)


@pytest.mark.parametrize("request_", [0x5412, 0x541C, 0x5423])
def test_nobody_types_into_a_terminal(request_: int) -> None:
    """TIOCSTI, TIOCLINUX and TIOCSETD are refused; a program's requests to its own terminal are not."""
    assert verdict(assemble(), IOCTL, 0, request_) == refused(errno.EPERM)
    for harmless in (0x5401, 0x5413, 0x541B):
        assert verdict(assemble(), IOCTL, 0, harmless) == ALLOW


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize(
    "request_", [0x40305828, 0x4030582A, 0x40305839, 0x401C5820, 0x40105824, 0x40049409, 0x5000940E]
)
def test_no_request_takes_room_that_nothing_is_written_to(request_: int, *, alone: bool) -> None:
    """FS_IOC_RESVSP, _RESVSP64, _ZERO_RANGE, the extents' size hint, XFS_IOC_ALLOCSP64, and two of btrfs."""
    assert verdict(assemble(alone=alone), IOCTL, 3, request_) == refused(errno.ENOTTY)
    assert verdict(assemble(alone=alone), IOCTL, 3, 1 << 40 | request_) == refused(errno.ENOTTY)


@pytest.mark.parametrize("alone", [True, False])
def test_no_call_takes_room_that_nothing_is_written_to(*, alone: bool) -> None:
    """They fail as on a file system without the feature, for which libc has a fallback."""
    for call in UNSUPPORTED.values():
        assert verdict(assemble(alone=alone), call, 3, 1, 0, 3 << 30) == refused(errno.EOPNOTSUPP)


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("request_", [0x40086602, 0x40806685, 0x800C6613, 0xC0506617, 0x40087602])
def test_files_keep_their_flags(request_: int, *, alone: bool) -> None:
    """chattr, verity, encryption and its keys, version: those of ours could be opened just for reading.

    And an encrypted folder of the person's could not be removed.
    """
    assert verdict(assemble(alone=alone), IOCTL, 0, request_) == refused(errno.ENOTTY)
    assert verdict(assemble(alone=alone), IOCTL, 0, 0x541B) == ALLOW  # how much there is to read


@pytest.mark.parametrize("request_", [0x8910, 0x8912, 0x8927, 0x8933, 0x8946, 0x89E0])
def test_interfaces_in_sight_are_not_told(request_: int) -> None:
    """A pair of Unix sockets reveals them as any socket does; in a network of its own that is allowed."""
    assert verdict(assemble(alone=False), IOCTL, 0, request_) == refused(errno.ENOTTY)
    assert verdict(assemble(), IOCTL, 0, request_) == ALLOW
    assert verdict(assemble(alone=False, network=True), IOCTL, 0, request_) == ALLOW


def test_personality_can_be_asked_for_only() -> None:
    """0 and -1 pass; switching off address randomisation does not."""
    assert verdict(assemble(), PERSONALITY, 0) == verdict(assemble(), PERSONALITY, 0xFFFFFFFF) == ALLOW
    assert verdict(assemble(), PERSONALITY, 0x0040000) == refused(errno.EPERM)


def test_nothing_is_shared_with_other_programs_or_kept_from_them() -> None:
    """Equal memory pages are not merged, and no core's other half is kept idle for a process."""
    for option in (67, 62):  # PR_SET_MEMORY_MERGE, PR_SCHED_CORE
        assert verdict(assemble(), 157, option, 1) == refused(errno.EINVAL)


def test_nobody_hides_from_the_watchdog() -> None:
    """PR_SET_DUMPABLE is refused; setting a thread's name and reading the flag are not."""
    assert verdict(assemble(), 157, 4, 0) == refused(errno.EPERM)
    assert verdict(assemble(), 157, 15, 0) == verdict(assemble(), 157, 3) == ALLOW


@pytest.mark.parametrize("kind", [0o010000, 0o100000, 0])
def test_pipes_and_files_can_be_made(kind: int) -> None:
    """mkfifo uses mknod."""
    assert verdict(assemble(), MKNOD, 0, kind | 0o600) == ALLOW
    assert verdict(assemble(), MKNODAT, 0, 0, kind | 0o600) == ALLOW


@pytest.mark.parametrize("kind", [0o020000, 0o060000])
def test_devices_cannot_be_made(kind: int) -> None:
    """Neither character nor block devices."""
    assert verdict(assemble(), MKNOD, 0, kind | 0o600) == refused(errno.EPERM)
    assert verdict(assemble(), MKNODAT, 0, 0, kind | 0o600) == refused(errno.EPERM)


@pytest.mark.parametrize("alone", [True, False])
def test_without_a_control_group_no_memory_is_out_of_sight(*, alone: bool) -> None:
    """Memory files, pages held by a socket or pipe, and anonymous shared memory are refused."""
    program = assemble(alone=alone, counted=False)
    for call in UNCOUNTED.values():
        assert verdict(program, call) == refused(errno.ENOSYS)
        assert verdict(assemble(alone=alone), call) == ALLOW
    for flags in (0x21, 0x23, 0x8021, 0x40021):  # MAP_SHARED, _SHARED_VALIDATE; populated; of huge pages
        assert verdict(program, 9, 0, 4096, 3, flags, -1) == refused(errno.EPERM)
        assert verdict(assemble(alone=alone), 9, 0, 4096, 3, flags, -1) == ALLOW
    for flags in (0x22, 0x02, 0x01, 0x20022):  # MAP_PRIVATE; of a file, private and shared; a stack
        assert verdict(program, 9, 0, 4096, 3, flags, -1) == ALLOW


@pytest.mark.parametrize("alone", [True, False])
def test_nothing_that_the_system_holds_can_be_made_larger(*, alone: bool) -> None:
    """Setting a socket's buffer sizes only seems to succeed, both ways; setting a pipe's size is refused."""
    program = assemble(alone=alone, network=True)
    for option in (7, 8, 32, 33):
        assert verdict(program, 54, 3, 1, option) == refused(0)
        assert verdict(program, 54, 3, 6, option) == ALLOW  # for TCP the number means another option
    assert verdict(program, 72, 3, 1031, 1 << 20) == refused(errno.EPERM)
    assert verdict(program, 72, 3, 1032) == ALLOW  # F_GETPIPE_SZ


@pytest.mark.parametrize("alone", [True, False])
def test_no_file_gets_attributes(*, alone: bool) -> None:
    """On btrfs they take room that no file's size shows; EOPNOTSUPP is what libraries are ready for."""
    for call in (188, 189, 190, 463):
        assert verdict(assemble(alone=alone), call) == refused(errno.EOPNOTSUPP)


@pytest.mark.parametrize("alone", [True, False])
def test_no_kernel_makes_rules_of_its_own(*, alone: bool) -> None:
    """A Landlock ruleset can hold deleted files unseen; this also applies before our own rules are set."""
    for call in (444, 445):
        assert verdict(assemble(alone=alone), call) == refused(errno.ENOSYS)


def test_no_filter_is_put_on_ours_and_no_table_of_futexes_made() -> None:
    """A process that asks for either is told that the system has none."""
    assert verdict(assemble(), 157, 22, 2) == verdict(assemble(), 157, 78, 1) == refused(errno.EINVAL)
    assert verdict(assemble(), 317, 1) == refused(errno.ENOSYS)
    assert verdict(assemble(), 157, 21) == ALLOW  # PR_GET_SECCOMP


@pytest.mark.parametrize("option", [26, 50, 51, 52])
def test_no_program_is_attached_to_a_socket(option: int) -> None:
    """SO_ATTACH_FILTER and its kin run code in the kernel, and use memory that nobody counts."""
    assert verdict(assemble(), 54, 3, 1, option) == refused(errno.EPERM)


def test_descriptors_are_the_whole_processs() -> None:
    """No thread has a table of its own, which nobody would check."""
    assert verdict(assemble(), CLONE, 0x10000) == refused(errno.EPERM)
    assert verdict(assemble(), CLONE, 0x10000 | 0x3D0F00 & ~0x400) == refused(errno.EPERM)
    assert verdict(assemble(), 436, 3, 2**32 - 1, 2) == refused(errno.EPERM)
    assert verdict(assemble(), 436, 3, 2**32 - 1, 4) == ALLOW  # close_range(CLOSE_RANGE_CLOEXEC)


def test_the_filter_is_one_that_the_system_takes() -> None:
    """At most 4096 instructions, every jump lands inside, and every path ends with a verdict."""
    steps = list(struct.iter_unpack("=HBBI", assemble()))
    assert len(steps) <= 4096
    assert steps[-1][0] == 0x06
    for at, (code, then, otherwise, _) in enumerate(steps):
        if code & 7 == 5:
            assert at + 1 + max(then, otherwise) < len(steps)
    assert ctypes.sizeof(ctypes.c_void_p) == 8


def test_another_processor_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With other call numbers the filter would be weaker, so there is none."""
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(SandboxUnavailable, match="x86-64"):
        assemble()


@pytest.mark.parametrize("alone", [True, False])
def test_no_connection_lingers(*, alone: bool) -> None:
    """SO_LINGER (13) only seems to be set; that number elsewhere (TCP_CONGESTION) and other options are."""
    program = assemble(alone=alone, network=True)
    assert verdict(program, 54, 3, 1, 13) == refused(0)
    assert verdict(program, 54, 3, 6, 13) == ALLOW
    assert verdict(program, 54, 3, 1, 2) == ALLOW
