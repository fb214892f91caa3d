"""Requests of the machine interface that take cells back, and keep or branch what there is.

{"undo": 2}  {"redo": true}  {"checkpoint": "save", "name": "clean"}  {"checkpoint": "list"}
{"checkpoint": "restore", "name": "clean"}  {"checkpoint": "forget", "name": "clean"}
{"branch": "what if"}  {"branch": "main"}  {"branch": true}
"""

from collections.abc import Awaitable, Callable
from typing import Any

from bot.continuity.undo.by_name import go_to_branch
from bot.session import Session
from bot.sessions import Sessions
from bot.terminal.machine.json_fields import (
    branch_fields,
    checkpoint_fields,
    new_checkpoint_fields,
    undone_fields,
)
from bot.terminal.machine.json_requests import BadRequest, Line, text_of

__all__ = ["UndoRequests"]

Fields = dict[str, Any]


class UndoRequests:
    """`verbs` carries out each request of a user, and returns the answer's fields.

    They raise BadRequest, and as `Session.undo`.
    """

    def __init__(self, sessions: Sessions, place: str) -> None:
        self._sessions = sessions
        self._place = place
        self.verbs: dict[str, Callable[[int, Line], Awaitable[Fields]]] = {
            "undo": self._undo,
            "redo": self._redo,
            "checkpoint": self._checkpoint,
            "branch": self._branch,
        }

    async def _undo(self, user: int, request: Line) -> Fields:
        cells = request["undo"]
        if not isinstance(cells, int) or isinstance(cells, bool) or cells < 1:
            raise BadRequest("undo is the number of cells, 1 or more")
        return undone_fields(await (await self._session(user)).undo(cells))

    async def _redo(self, user: int, _request: Line) -> Fields:
        return undone_fields(await (await self._session(user)).redo())

    async def _checkpoint(self, user: int, request: Line) -> Fields:
        session = await self._session(user)
        match request["checkpoint"]:
            case "list":
                found = await session.checkpoints()
                listed = [checkpoint_fields(name, saved) for name, saved in found.items()]
                return {"event": "checkpoints", "checkpoints": listed}
            case "save":
                name = text_of(request, "name")
                return new_checkpoint_fields(name, await session.checkpoint(name))
            case "restore":
                return undone_fields(await session.restore(text_of(request, "name")))
            case "forget":
                name = text_of(request, "name")
                await session.forget_checkpoint(name)
                return {"event": "forgotten", "name": name}
        raise BadRequest('checkpoint is "save", "restore", "forget" or "list"')

    async def _branch(self, user: int, request: Line) -> Fields:
        if request["branch"] is True:
            found = await self._sessions.branches(user, self._place)
            return {"event": "branches", "branches": [branch_fields(branch) for branch in found]}
        went = await go_to_branch(self._sessions, user, self._place, text_of(request, "branch"))
        fields = branch_fields(went.begun) if went.begun is not None else {"name": went.name}
        return {"event": "branch", "begun": went.begun is not None} | fields

    async def _session(self, user: int) -> Session:
        return await self._sessions.session(user, self._place)
