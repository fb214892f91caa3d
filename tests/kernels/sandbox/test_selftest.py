"""Which tier is taken: the strongest that holds, and none if one that is available lets something through."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self, cast

import pytest

from kernels.broker import Opened
from kernels.errors import KernelStartFailed, SandboxUnavailable
from kernels.inside.confinement.probes import ABSTRACT, LOOPBACK
from kernels.limits import Limits
from kernels.sandbox import selftest
from kernels.sandbox.__main__ import main
from kernels.sandbox.confined import Sandbox
from kernels.sandbox.policy import Tier
from kernels.sandbox.selftest import REMEDIES, probe
from kernels.sandbox.tier_choice import choose
from tests.conftest import KERNEL_PYTHON

HELD: list[str] = []


class Throwaway:
    """A child that has ended."""

    fault: str | None = None

    async def wait(self) -> int:
        return 0

    def kill(self) -> None: ...

    async def release(self) -> None: ...


class Pretended:
    """A sandbox with a given outcome: what it lets through, or why it cannot be entered or used."""

    def __init__(self, tier: Tier, outcome: list[str] | str | Exception) -> None:
        self.tier = tier
        self.network = False
        self.outcome = outcome
        self.entered = False

    def __enter__(self) -> Self:
        if isinstance(self.outcome, str):
            raise SandboxUnavailable(self.outcome)
        self.entered = True
        return self

    def __exit__(self, *_: object) -> None:
        self.entered = False

    async def launch(
        self, workspace: Path, name: str, request: Mapping[str, Any], descriptors: Mapping[str, int]
    ) -> Throwaway:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        os.write(descriptors["report"], json.dumps(self.outcome).encode())
        return Throwaway()


def making(
    outcomes: dict[Tier, list[str] | str | Exception], made: list[Pretended]
) -> Callable[[Tier], Sandbox]:
    """What `choose` uses to make its sandboxes."""

    def make(tier: Tier) -> Sandbox:
        made.append(Pretended(tier, outcomes[tier]))
        return cast(Sandbox, made[-1])

    return make


async def test_the_strongest_tier_that_holds_is_taken() -> None:
    """Weaker tiers are not even tried."""
    made: list[Pretended] = []
    with ExitStack() as stack:
        sandbox, tried = await choose(None, making({Tier.S: HELD}, made), stack)
        assert (sandbox.tier, tried) == (Tier.S, {Tier.S: ""})
        assert cast(object, sandbox) is made[0]
        assert made[0].entered
    assert not made[0].entered


@pytest.mark.parametrize(
    "missing",
    [
        "no root",
        KernelStartFailed("prctl: no such thing"),
        OSError("mount: permission denied"),
    ],
    ids=["not entered", "not started", "not made"],
)
async def test_a_tier_that_cannot_be_had_is_passed_over(missing: str | Exception) -> None:
    """Its reason is reported, and everything entered for it is left again."""
    made: list[Pretended] = []
    with ExitStack() as stack:
        sandbox, tried = await choose(None, making({Tier.S: missing, Tier.A: HELD}, made), stack)
        assert sandbox.tier is Tier.A
        assert str(missing).split(":")[0] in tried[Tier.S]
        assert [one.entered for one in made] == [False, True]


async def test_a_tier_that_lets_something_through_is_an_error() -> None:
    """Never the next one instead: what we do not understand we do not trust. The remedy is the tier's own."""
    made: list[Pretended] = []
    outcomes = {Tier.S: "no root", Tier.A: ["a mount", "AF_ALG"], Tier.B: HELD}
    expected = pytest.raises(
        SandboxUnavailable, match=r"tier A \(user namespaces\) lets this through: a mount, AF_ALG"
    )
    with ExitStack() as stack, expected as raised:
        await choose(None, making(cast(Any, outcomes), made), stack)
    assert raised.value.remedy == REMEDIES[Tier.A]
    assert [one.tier for one in made] == [Tier.S, Tier.A]
    assert not any(one.entered for one in made)


async def test_a_tier_that_was_asked_for_has_no_substitute() -> None:
    """An operator who names a tier gets that one or an error, not a weaker one."""
    made: list[Pretended] = []
    with ExitStack() as stack, pytest.raises(SandboxUnavailable, match="no user namespaces") as raised:
        await choose(Tier.A, making({Tier.A: "no user namespaces"}, made), stack)
    assert raised.value.remedy == REMEDIES[Tier.A]
    assert [one.tier for one in made] == [Tier.A]


async def test_a_stored_file_that_can_be_changed_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a kernel that runs as our user could write through the descriptor it gets, nothing starts."""

    async def pass_it(peer: socket.socket, opened: Opened) -> None:
        socket.send_fds(peer, [b"x"], [opened.file.fileno()])

    def make(tier: Tier) -> Sandbox:
        folder = tmp_path / "own"
        return Sandbox(
            tier, python=KERNEL_PYTHON, folder=folder, workspaces=tmp_path, limits=Limits(), libraries=()
        )

    monkeypatch.setattr("kernels.broker._send_bytes", pass_it)
    with ExitStack() as stack, pytest.raises(SandboxUnavailable) as raised:
        await choose(Tier.A, make, stack)
    if "cannot be confined" in str(raised.value):
        pytest.skip(str(raised.value))
    assert str(raised.value).startswith(
        "The sandbox of tier A (user namespaces) lets this through: a stored file that was asked for."
    )


async def test_without_any_tier_every_remedy_is_told() -> None:
    """Nothing runs unconfined by accident; the person reads what each tier would need."""
    outcomes: dict[Tier, Any] = dict.fromkeys((Tier.S, Tier.A, Tier.B), "not here")
    with ExitStack() as stack, pytest.raises(SandboxUnavailable) as raised:
        await choose(None, making(outcomes, []), stack)
    for tier in (Tier.S, Tier.A, Tier.B):
        assert REMEDIES[tier] in raised.value.remedy


async def test_a_network_that_is_opened_must_be_reached_and_nothing_else() -> None:
    """Reaching the network is then no leak; if it is not reached, the setting would have no effect."""
    for outcome, leaks in (
        ([LOOPBACK], []),
        ([LOOPBACK, ABSTRACT, "AF_PACKET"], ["AF_PACKET"]),
    ):
        pretended = Pretended(Tier.S, outcome)
        assert await probe(cast(Sandbox, pretended)) == outcome
        pretended.network = True
        assert await probe(cast(Sandbox, pretended)) == leaks
    closed = Pretended(Tier.S, HELD)
    closed.network = True
    with pytest.raises(SandboxUnavailable, match="KERNEL_NETWORK"):
        await probe(cast(Sandbox, closed))


async def test_a_child_that_says_nothing_is_no_tier(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is a failed start, never "nothing got through"."""

    class Silent(Pretended):
        async def launch(self, *_: Any) -> Throwaway:
            return Throwaway()

    with pytest.raises(KernelStartFailed):
        await probe(cast(Sandbox, Silent(Tier.S, HELD)))


async def test_a_child_that_hangs_is_given_up() -> None:
    """The time for all probes is bounded."""
    held: list[socket.socket] = []

    class Hanging(Pretended):
        async def launch(self, *arguments: Any) -> Throwaway:
            held.append(socket.socket(fileno=os.dup(arguments[3]["report"])))
            return Throwaway()

    with pytest.raises(KernelStartFailed):
        await probe(cast(Sandbox, Hanging(Tier.S, HELD)), seconds=0.05)
    held[0].close()


async def test_the_canary_does_not_stay() -> None:
    """The self-test restores our environment."""
    await probe(cast(Sandbox, Pretended(Tier.S, HELD)))
    assert selftest.CANARY not in os.environ


def test_no_tier_is_told_of_a_python_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a sandbox does without a program says nothing about this machine."""
    monkeypatch.setattr(sys, "argv", ["kernels.sandbox", "--python", "/nowhere/python"])
    with pytest.raises(SystemExit) as raised:
        main()
    assert raised.value.code == 2
    assert "there is no program /nowhere/python" in capsys.readouterr().err


def test_program_ends_quietly_when_nobody_reads_on() -> None:
    """`python -m kernels.sandbox | head -1` shows no traceback."""
    reader, writer = os.pipe()
    os.close(reader)
    command = (sys.executable, "-m", "kernels.sandbox", "--python", "/bin/false")
    with open(writer, "wb") as output:
        ended = subprocess.run(command, stdout=output, stderr=subprocess.PIPE, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (128 + signal.SIGPIPE, b"")
