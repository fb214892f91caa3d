"""What can go wrong with saved variables.

    StateError
    ├── StateBusy      another program or thread is using the session's saves
    ├── StateDamaged   bytes are not what their digest or size says, or a list of chunks is not one
    ├── StateFull      there is no room: of the person's quota, of everybody's, or on the disk itself
    ├── StateGone      the session was forgotten while a save of it was being written
    └── OtherFormat    a manifest that another version of this program has written

Everything else that a disk can do is an OSError.
"""

from typing import Literal


class StateError(Exception):
    """Variables could not be saved, or saved ones could not be read."""


class StateBusy(StateError):
    """The session's saves are in use, and were not free in time."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"the saved variables of {session_id!r} are in use")


class StateDamaged(StateError):
    """Bytes or a list of chunks are not what they should be."""


class StateFull(StateError):
    """A save does not fit, and nothing of it is left.

    `limit` is what it does not fit into: "quota" (the person's), "disk" (what everybody may use) or "device"
    (the file system is nearly full, over its owner's quota or read-only).
    """

    def __init__(self, limit: Literal["quota", "disk", "device"], why: str) -> None:
        super().__init__(why)
        self.limit = limit


class StateGone(StateError):
    """All saves of the session were deleted while one was being written."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"the saved variables of {session_id!r} were deleted meanwhile")


class OtherFormat(StateError):
    """A manifest has a format that this version cannot read."""

    def __init__(self, number: object) -> None:
        super().__init__(f"the manifest has format {number!r:.40}")
