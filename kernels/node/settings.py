"""What a node is told when it starts, and the record that it leaves for the bots that come later."""

import json
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Self

from msgspec import convert, to_builtins

from kernels.limits import Limits
from kernels.sandbox.forkserver import LIBRARIES

__all__ = ["ALIVE", "RECORD", "KernelSettings", "NodeRecord", "NodeSettings", "limits_for"]

# In the node's folder:
ALIVE = "alive"  # locked as long as it lives
RECORD = "node.json"  # how to reach it: a NodeRecord

# The limits that a bot says at each session; the others are the node's.
OF_THE_BOT = ("cell", "answer", "background", "questions")
FIRST = 3  # the protocol of nodes that do not tell theirs in their record


@dataclass(frozen=True, slots=True)
class KernelSettings:
    """What a running node cannot change: another value asks for another node.

    Of the limits those that a bot says at each session have their default here.
    """

    python: Path
    size: int
    idle: timedelta | None
    limits: Limits
    tier: str
    libraries: tuple[str, ...]
    states: Path | None
    state_quota: int
    state_disk: int | None
    states_kept: timedelta


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """A node to be. `folder` is its own (made 0700): record, locks, log.

    `address` is where it listens: the path of a Unix socket, or "host:port". Whoever asks must know `token`,
    which is never empty: Jupyter would let everybody in. A kernel that nobody has used for `idle` is ended; a
    node without kernels and bots ends itself after `node_idle` (None: never). The rest is for
    `kernels.pool.Pool`.

    Raises: ValueError for an empty token.
    """

    folder: Path
    address: str
    token: str = field(repr=False)
    python: Path
    workspaces: Path
    limits: Limits = field(default_factory=Limits)
    size: int = 16
    idle: timedelta | None = timedelta(hours=1)
    node_idle: timedelta | None = None
    tier: str = ""  # of the sandbox; "" is the strongest
    libraries: tuple[str, ...] = LIBRARIES
    states: Path | None = None  # the folder of saved variables; None: they are not saved
    state_quota: int = 1 << 30  # bytes of saved variables of one person
    state_disk: int | None = None  # bytes of all of them; None: a tenth of the disk
    states_kept: timedelta = timedelta(days=30)  # from a session's last save on
    log_level: str = "warning"

    def __post_init__(self) -> None:
        if not self.token.strip():
            raise ValueError(
                'it has no "token": without one everybody could run code in it; choose a long one'
            )

    @property
    def kernels(self) -> KernelSettings:
        """What of it a running node cannot change."""
        limits = limits_for(Limits(), self.limits)
        return KernelSettings(
            python=self.python,
            size=self.size,
            idle=self.idle,
            limits=limits,
            tier=self.tier,
            libraries=self.libraries,
            states=self.states,
            state_quota=self.state_quota,
            state_disk=self.state_disk,
            states_kept=self.states_kept,
        )

    def to_json(self) -> str:
        """One line of JSON, with times in seconds; it holds the token."""
        plain = to_builtins(self, builtin_types=(timedelta,), enc_hook=_plain)
        return json.dumps(plain, default=timedelta.total_seconds)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The settings that `to_json`, or a person, wrote. Raises: ValueError."""
        said = json.loads(text)
        settings = convert(said, cls, strict=False, dec_hook=lambda kind, value: kind(value))
        if unknown := said.keys() - {one.name for one in fields(cls)}:
            raise ValueError(f"a node has no settings called {', '.join(sorted(unknown))}")
        return settings


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """Where a node listens, the token that it asks for, its process, and when that was started."""

    address: str
    token: str = field(repr=False)
    pid: int
    started: str = ""  # an older node does not say it
    protocol: int = FIRST


def _plain(value: object) -> int | str:
    """What is written of a path, or of a size that settings have as a number of their own kind."""
    return int(value) if isinstance(value, int) else str(value)


def limits_for(said: Limits, own: Limits) -> Limits:
    """The limits of a session in a node with limits of its `own`, where a bot has `said` others.

    Only the times and the number of questions are the bot's to say. The others were settled when the node
    started, so messages must quote the node's.
    """
    return replace(own, **{name: getattr(said, name) for name in OF_THE_BOT})
