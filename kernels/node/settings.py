"""What a node is told when it starts: one frozen value, which travels as JSON on its standard input."""

import json
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from kernels.forkserver import LIBRARIES
from kernels.launch import Limits

__all__ = ["ALIVE", "RECORD", "NodeSettings", "limits_from", "limits_to"]

# In the node's folder:
ALIVE = "alive"  # locked as long as it lives
RECORD = "node.json"  # how to reach it, for a bot that comes later

DURATIONS = ("cell", "answer", "background")  # the limits that are times


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """A node to be. `folder` is its own (made 0700): record, locks, log.

    `address` is where it listens: the path of a Unix socket, or "host:port". Whoever asks must know `token`.
    `idle` is the time after which an unused kernel is ended, `lonely` that after which a node without kernels
    and clients ends itself (None: never). The rest is for `kernels.pool.Pool`.
    """

    folder: Path
    address: str
    token: str
    python: Path
    workspaces: Path
    limits: Limits
    size: int = 16
    idle: timedelta | None = timedelta(hours=1)
    lonely: timedelta | None = timedelta(minutes=10)
    tier: str = ""  # of the sandbox; "" is the strongest
    libraries: tuple[str, ...] = LIBRARIES
    log_level: str = "warning"

    @property
    def kernels(self) -> dict[str, Any]:
        """What of it a running node cannot change, as JSON has it: another value asks for another node.

        The limits on time, and on a cell's questions, are the bot's to say at each session.
        """
        limits = {
            name: value
            for name, value in limits_to(self.limits).items()
            if name not in (*DURATIONS, "questions")
        }
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
        fields = asdict(self) | {
            "folder": str(self.folder),
            "python": str(self.python),
            "workspaces": str(self.workspaces),
            "limits": limits_to(self.limits),
            "idle": _seconds(self.idle),
            "lonely": _seconds(self.lonely),
        }
        return json.dumps(fields)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The settings that `to_json` wrote. Raises: ValueError, TypeError, KeyError."""
        fields = json.loads(text)
        return cls(
            **fields
            | {
                "folder": Path(fields["folder"]),
                "python": Path(fields["python"]),
                "workspaces": Path(fields["workspaces"]),
                "limits": limits_from(fields.get("limits", {})),
                "libraries": tuple(fields.get("libraries", LIBRARIES)),
                "idle": _duration(fields.get("idle", 3600)),
                "lonely": _duration(fields.get("lonely", 600)),
            }
        )


def limits_to(limits: Limits) -> dict[str, Any]:
    """Limits as JSON has them: times in seconds."""
    return asdict(limits) | {name: _seconds(getattr(limits, name)) for name in DURATIONS}


def limits_from(fields: dict[str, Any]) -> Limits:
    """The limits that `limits_to` wrote; what is missing has its default."""
    times = {name: _duration(fields[name]) for name in DURATIONS if name in fields}
    return replace(Limits(), **(fields | times))


def _seconds(time: timedelta | None) -> float | None:
    return None if time is None else time.total_seconds()


def _duration(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)
