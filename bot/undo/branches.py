"""Branches: sessions that began as copies of another session of the same person.

    branch = await sessions.branch(user_id, place, to_place, "what if")
    await sessions.switch(user_id, place, "")       # back to the place's own session

A place shows one session at a time: its own, or a branch. A branch for another place, such as a thread, is
what that place shows from then on. A branch for the same place takes the place over, until it is switched.
"""

from dataclasses import dataclass

__all__ = ["Branch"]


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch: its session, the place that can show it, its name, and where it comes from.

    `cell` is the cell as of which it began (0: without variables). `here`: the place shows it now.
    """

    session_id: str
    place: str
    name: str
    of: str
    from_place: str
    cell: int
    here: bool
