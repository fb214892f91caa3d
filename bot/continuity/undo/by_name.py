"""Branches by name, for places in which no thread can be opened: a direct message, the terminal.

went = await go_to_branch(sessions, user_id, place, "what if")
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.continuity.undo.branches import Branch

if TYPE_CHECKING:
    from bot.sessions import Sessions

__all__ = ["MAIN", "Went", "go_to_branch"]

MAIN = "main"  # what people call the session that a place has of its own


@dataclass(frozen=True, slots=True)
class Went:
    """Which branch a place shows now: its name, and the branch itself if it begins only now."""

    name: str
    begun: Branch | None = None


async def go_to_branch(sessions: "Sessions", user_id: int, place: str, name: str) -> Went:
    """Have a place show the branch of this name, which begins if there is none; MAIN is its own session.

    Raises: BranchRefused, QuotaExceeded, and as `Sessions.session`.
    """
    name = name.strip()
    if name.casefold() == MAIN:
        await sessions.switch(user_id, place, "")
        return Went(MAIN)
    if any(branch.name == name for branch in await sessions.branches(user_id, place)):
        await sessions.switch(user_id, place, name)
        return Went(name)
    return Went(name, await sessions.branch(user_id, place, place, name))
