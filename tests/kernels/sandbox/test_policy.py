"""What a kernel may reach is decided in one pure module, for each tier."""

import json
from base64 import b64decode
from dataclasses import replace
from pathlib import Path

import pytest

from kernels.inside.files.elsewhere import WORKSPACE_NAMES
from kernels.limits import Limits
from kernels.process.environment import environment
from kernels.sandbox import seccomp
from kernels.sandbox.limits import objects
from kernels.sandbox.policy import (
    CLONE_NEWNET,
    CLONE_NEWUSER,
    EXECUTE,
    LIST,
    MAKE_AND_REMOVE,
    MAKE_DEVICES,
    READ,
    TRUNCATE,
    WRITE,
    Confinement,
    Paths,
    Tier,
    confine,
)

PATHS = Paths(
    workspace=Path("/data/workspaces/mine"),
    root=Path("/run/root"),
    readable=(Path("/opt/python"), Path("/opt/packages")),
    python=Path("/opt/packages/bin/python"),
)
OUTSIDE = {"DISCORD_TOKEN": "canary", "LANG": "de_DE.UTF-8", "TZ": "Asia/Tokyo", "PYTHONPATH": "/canary"}
TIERS = [Tier.S, Tier.A, Tier.B]
WRITING = WRITE | MAKE_AND_REMOVE | MAKE_DEVICES | TRUNCATE


def confined(
    tier: Tier,
    limits: Limits | None = None,
    *,
    counted: bool = True,
    full: bool = False,
    paths: Paths = PATHS,
) -> Confinement:
    """The confinement of one kernel; in tier S with a user of its own."""
    return confine(
        tier,
        paths,
        limits or Limits(),
        uid=70_000 if tier is Tier.S else None,
        own_uid=1234,
        own_gid=567,
        outside=OUTSIDE,
        counted=counted,
        full=full,
    )


@pytest.mark.parametrize("tier", [Tier.S, Tier.A])
def test_the_workspace_has_other_services_names_where_nothing_is_installed(tier: Tier) -> None:
    """They are links; a name under which the kernels' own files must be visible belongs to those."""
    links = {target: source for kind, source, target, _ in confined(tier).mounts if kind == "link"}
    assert {links[name] for name in WORKSPACE_NAMES} == {"/workspace"}
    installed = replace(PATHS, readable=(Path("/home/user/kernelcord/.venv"), Path("/content")))
    mounts = confined(tier, paths=installed).mounts
    assert {target for kind, _, target, _ in mounts if kind == "link"} == links.keys() - {
        "/home/user",
        "/content",
    }


@pytest.mark.parametrize("tier", TIERS)
def test_the_environment_is_an_allow_list(tier: Tier) -> None:
    """From our environment only the language and the time zone come through."""
    known = confined(tier).environment
    assert (known["LANG"], known["TZ"]) == ("de_DE.UTF-8", "Asia/Tokyo")
    assert "canary" not in repr(known)
    assert "canary" not in repr(environment(PATHS.python, Path("/i"), OUTSIDE))


@pytest.mark.parametrize("tier", TIERS)
def test_home_and_scratch_are_the_persons(tier: Tier) -> None:
    """What a person writes to `~`, and what libraries write for themselves, stays in the person's folders."""
    confinement = confined(tier)
    large = f"{confinement.folder}/.tmp"  # files too large for /tmp have the workspace's space
    own = "/tmp" if tier.namespaces else large
    assert confinement.environment["HOME"] == confinement.folder
    assert confinement.environment["TMPDIR"] == large
    assert confinement.environment["JOBLIB_TEMP_FOLDER"] == confinement.environment["TMPDIR"]
    assert confinement.environment["IPYTHONDIR"].startswith(own)
    assert confined(tier, full=True).environment["TMPDIR"] == own  # nothing can be written to the workspace


@pytest.mark.parametrize("tier", TIERS)
def test_joblib_starts_as_many_processes_as_there_are_processors(tier: Tier) -> None:
    """As many as a kernel may keep busy, however large the machine."""
    assert confined(tier).environment["LOKY_MAX_CPU_COUNT"] == f"{Limits().cpus:.0f}"


def test_namespaces_by_tier() -> None:
    """S and A have their own files, processes, network and names, A through a user namespace; B has none."""
    own = {"mount": 0x20000, "cgroup": 0x2000000, "uts": 0x4000000, "ipc": 0x8000000, "pid": 0x20000000}
    flags = {tier: confined(tier).clone_flags for tier in TIERS}
    assert flags[Tier.S] == sum(own.values()) | CLONE_NEWNET
    assert flags[Tier.A] == flags[Tier.S] | CLONE_NEWUSER
    assert flags[Tier.B] == 0


@pytest.mark.parametrize("tier", [Tier.S, Tier.A])
def test_the_hosts_network_only_when_it_is_wanted(tier: Tier) -> None:
    """With `network`, the network namespace is the only one left out."""
    assert confined(tier).clone_flags - confined(tier, Limits(network=True)).clone_flags == CLONE_NEWNET


def test_users_by_tier() -> None:
    """S becomes a user of its own; A is ordinary inside and is us outside; B stays who we are."""
    assert (confined(Tier.S).uid, confined(Tier.S).uid_map) == (70_000, "")
    assert (confined(Tier.A).uid, confined(Tier.A).uid_map) == (None, "1000 1234 1")
    assert confined(Tier.A).gid_map == "1000 567 1"
    assert (confined(Tier.B).uid, confined(Tier.B).uid_map) == (None, "")


@pytest.mark.parametrize("tier", [Tier.S, Tier.A])
def test_one_folder_of_the_host_is_writable(tier: Tier) -> None:
    """The workspace can be written to, devices can be used, and other files of the host can only be read."""
    binds = {source: options for kind, source, _, options in confined(tier).mounts if kind == "bind"}
    assert [source for source, options in binds.items() if options == "rw"] == ["/data/workspaces/mine"]
    devices = {source for source, options in binds.items() if options == "device"}
    assert devices == {f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom")}
    assert set(binds.values()) == {"ro", "rw", "device"}


@pytest.mark.parametrize("tier", [Tier.S, Tier.A])
def test_nothing_above_the_workspace_is_shown(tier: Tier) -> None:
    """No folder that contains other workspaces, our data or somebody's home is in the tree."""
    for kind, source, target, _ in confined(tier).mounts:
        if kind == "bind" and source != str(PATHS.workspace):
            for hidden in (PATHS.workspace, Path("/root"), Path("/home"), Path("/var"), Path("/etc/shadow")):
                assert not hidden.is_relative_to(source), (source, target)


@pytest.mark.parametrize("tier", [Tier.S, Tier.A])
def test_what_is_in_memory_has_a_size(tier: Tier) -> None:
    """/tmp and /dev/shm are limited in bytes and in number of files."""
    limits = Limits(scratch=8 << 20)
    made = {target: options for kind, _, target, options in confined(tier, limits).mounts if kind == "tmpfs"}
    assert set(made) == {"/tmp", "/dev/shm"}
    for options in made.values():
        assert "size=8388608" in options.split(",")
        assert "nr_inodes=2048" in options.split(",")


@pytest.mark.parametrize("tier", [Tier.S, Tier.A])
def test_of_the_machine_proc_shows_what_is_listed(tier: Tier) -> None:
    """A device mounted earlier covers everything else in it; some entries must never be listed."""
    kinds = [(kind, target) for kind, _, target, _ in confined(tier).mounts]
    assert kinds.index(("proc", "/proc")) > kinds.index(("bind", "/dev/null"))
    shown = next(options for kind, *_, options in confined(tier).mounts if kind == "proc").split()
    assert not {
        "kcore",
        "keys",
        "kmsg",
        "sys",
        "sysrq-trigger",
        "fs",
        "irq",
        "bus",
        "cmdline",
        "config.gz",
    } & {*shown}
    assert not [name for name in shown if name.startswith("sys/net")]


@pytest.mark.parametrize("tier", [Tier.S, Tier.A])
def test_connections_are_bounded_in_a_network_of_ones_own_only(tier: Tier) -> None:
    """Each connection is limited before anything runs; the host's own settings are never written."""
    settings = _settings(confined(tier))
    assert set(settings) == {"sys/net/ipv4/tcp_rmem", "sys/net/ipv4/tcp_wmem"}
    assert sum(int(value.split()[2]) for value in settings.values()) < objects.socket_size() / 3  # for 200
    assert not _settings(confined(tier, Limits(network=True)))


def _settings(confinement: Confinement) -> dict[str, str]:
    """What is written below /proc before it becomes read-only."""
    (source,) = (source for kind, source, *_ in confinement.mounts if kind == "proc")
    return dict(line.split("=", 1) for line in source.splitlines())


@pytest.mark.parametrize("tier", [Tier.S, Tier.A])
def test_without_a_control_group_no_device_is_memory(tier: Tier) -> None:
    """/dev/zero could be mapped as shared memory; devices that merely read the same cannot."""
    for counted, source in ((True, "/dev/zero"), (False, "/dev/full")):
        mounts = confined(tier, counted=counted).mounts
        assert [each[1] for each in mounts if each[2] == "/dev/zero"] == [source]


def test_landlock_lets_no_device_be_memory_without_a_control_group() -> None:
    """Tier B has the machine's own devices."""
    for counted in (True, False):
        rules = dict(confined(Tier.B, counted=counted).landlock or ())
        assert ("/dev/zero" in rules, "/dev/null" in rules) == (counted, True)


@pytest.mark.parametrize("tier", [Tier.S, Tier.A])
def test_mounts_never_hide_an_earlier_one(tier: Tier) -> None:
    """Otherwise a folder mounted later would cover what is already mounted below it."""
    targets = [Path(target) for _, _, target, _ in confined(tier).mounts]
    for place, target in enumerate(targets):
        assert not any(earlier.is_relative_to(target) for earlier in targets[:place])


def test_landlock_lets_write_the_workspace_alone() -> None:
    """In tier B nothing else can be written, made or removed, and no devices can be made."""
    first, *rules = confined(Tier.B).landlock or ()
    handled, scoped = first
    assert isinstance(handled, int)
    assert WRITING | READ | LIST | EXECUTE | handled == handled
    assert scoped == 3  # no signals to processes outside, and no abstract sockets of theirs
    writable = {path for path, access in rules if access & WRITING and not str(path).startswith("/dev/")}
    assert writable == {"/data/workspaces/mine"}
    assert not any(access & MAKE_DEVICES for _, access in rules)
    assert not any(access & MAKE_AND_REMOVE for path, access in rules if str(path).startswith("/dev"))


def test_landlock_is_for_tier_b_and_a_tree_for_the_others() -> None:
    """Each tier has one way to restrict files, and never none."""
    for tier in TIERS:
        confinement = confined(tier)
        assert (confinement.landlock is None) == bool(confinement.mounts) == (confinement.root != "")


@pytest.mark.parametrize("tier", TIERS)
def test_every_limit_of_a_process_is_there(tier: Tier) -> None:
    """No core dump, hardly any locked memory, no file as large as the workspace, no raised priority.

    With a core limit of 0 the machine may still pipe a dump to a program, with 1 not: core(5), fs/coredump.c.
    """
    limits = confined(tier, Limits(memory=1 << 30, workspace=1 << 20, processes=7)).rlimits
    assert (limits["CORE"], limits["MSGQUEUE"], limits["NICE"], limits["RTPRIO"]) == (1, 0, 0, 0)
    assert limits["FSIZE"] == (1 << 20) - (1 << 16)  # so that it cannot take the workspace over its limit
    assert 1 << 31 <= limits["AS"] <= 1 << 33  # libraries map more than 2 GiB that they never touch
    assert limits["NPROC"] == 7


@pytest.mark.parametrize("tier", TIERS)
def test_sockets_by_tier(tier: Tier) -> None:
    """Internet families only where the network is empty or wanted; Unix sockets where no path leads out."""
    for network, counted in ((False, True), (True, True), (False, False)):
        program = b64decode(confined(tier, Limits(network=network), counted=counted).seccomp)
        assert program == seccomp.assemble(alone=tier.namespaces, network=network, counted=counted)


@pytest.mark.parametrize("tier", TIERS)
def test_a_description_is_plain(tier: Tier) -> None:
    """It is passed to the child as JSON, and reveals nothing about us."""
    text = json.dumps(vars(confined(tier)))
    assert "canary" not in text
    assert json.loads(text)["namespaces"] == tier.namespaces
