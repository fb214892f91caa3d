"""What a node is told when it starts: one frozen value, which travels as JSON on its standard input."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from kernels.limits import Limits
from kernels.sandbox.forkserver import LIBRARIES

__all__ = ["ALIVE", "RECORD", "NodeSettings", "limits_for", "limits_from", "limits_to"]

# In the node's folder:
ALIVE = "alive"  # locked as long as it lives
RECORD = "node.json"  # how to reach it, for a bot that comes later

DURATIONS = ("cell", "answer", "background")  # the limits that are times
OF_THE_BOT = (
    *DURATIONS,
    "questions",
)  # the limits that a bot says at each session; the others are the node's


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """A node to be. `folder` is its own (made 0700): record, locks, log.

    `address` is where it listens: the path of a Unix socket, or "host:port". Whoever asks must know `token`,
    which is never empty: Jupyter would let everybody in. `idle` is the time after which an unused kernel is
    ended, `lonely` that after which a node without kernels and clients ends itself (None: never, as for one
    that was started by hand and says nothing else). The rest is for `kernels.pool.Pool`.

    Raises: ValueError for an empty token.
    """

    folder: Path
    address: str
    token: str = field(repr=False)
    python: Path
    workspaces: Path
    limits: Limits
    size: int = 16
    idle: timedelta | None = timedelta(hours=1)
    lonely: timedelta | None = timedelta(minutes=10)
    tier: str = ""  # of the sandbox; "" is the strongest
    libraries: tuple[str, ...] = LIBRARIES
    log_level: str = "warning"

    def __post_init__(self) -> None:
        if not self.token.strip():
            raise ValueError(
                'it has no "token": without one everybody could run code in it; choose a long one'
            )

    @property
    def kernels(self) -> dict[str, Any]:
        """What of it a running node cannot change, as JSON has it: another value asks for another node.

        The limits on time, and on a cell's questions, are the bot's to say at each session.
        """
        limits = {name: value for name, value in limits_to(self.limits).items() if name not in OF_THE_BOT}
        return {
            "python": str(self.python),
            "size": self.size,
            "idle": _seconds(self.idle),
            "limits": limits,
            "tier": self.tier,
            "libraries": list(self.libraries),
        }

    def to_json(self) -> str:
        """One line of JSON; it holds the token."""
        said = asdict(self) | {
            "folder": str(self.folder),
            "python": str(self.python),
            "workspaces": str(self.workspaces),
            "limits": limits_to(self.limits),
            "idle": _seconds(self.idle),
            "lonely": _seconds(self.lonely),
        }
        return json.dumps(said)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The settings that `to_json` wrote. Raises: ValueError, TypeError, KeyError."""
        said = json.loads(text)
        return cls(
            **said
            | {
                "folder": Path(said["folder"]),
                "python": Path(said["python"]),
                "workspaces": Path(said["workspaces"]),
                "token": str(said["token"] or ""),
                "limits": limits_from(said.get("limits", {})),
                "libraries": tuple(said.get("libraries", LIBRARIES)),
                "idle": _duration(said.get("idle", 3600)),
                "lonely": _duration(said.get("lonely")),
            }
        )


def limits_to(limits: Limits) -> dict[str, Any]:
    """Limits as JSON has them: times in seconds."""
    return asdict(limits) | {name: _seconds(getattr(limits, name)) for name in DURATIONS}


def limits_from(said: Mapping[str, Any], otherwise: Limits | None = None) -> Limits:
    """The limits that `limits_to` wrote; what is missing is as in `otherwise`, or has its default.

    What is no limit here is ignored: another version may know more. Raises: TypeError for what is no time.
    """
    known = {one.name for one in fields(Limits)}
    given = {name: value for name, value in said.items() if name in known}
    times = {name: _duration(given[name]) for name in DURATIONS if name in given}
    return replace(otherwise or Limits(), **(given | times))


def limits_for(said: Mapping[str, Any], own: Limits) -> Limits:
    """The limits of a session in a node with limits of its `own`, where a bot has `said` others.

    Only the times and the number of questions are the bot's to say. The others were settled when the node
    started, so messages must quote the node's.
    """
    return limits_from({name: said[name] for name in OF_THE_BOT if name in said}, own)


def _seconds(time: timedelta | None) -> float | None:
    return None if time is None else time.total_seconds()


def _duration(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)
