"""The machine interface: each line in is a JSON object, and so is each line out, for all that happens.

    {"user": 1, "code": "x = 1"}  {"user": 1, "upload": "data.csv"}  {"user": 1, "files": true}
    {"user": 1, "load_file": "k7m3q9x2va"}  {"user": 1, "input": "Bob"}  {"user": 1, "interrupt": true}
    {"user": 1, "reset": true}  {"user": 1, "reset": "all"}  {"user": 1, "notebook": "out.ipynb"}
    {"user": 1, "bundle": "out.zip"}  {"user": 1, "replay": "in.ipynb", "keep_going": false}
    {"user": 1, "ask": "plot it"}  {"user": 1, "interrupt": "kill"}  {"user": 1, "undo": 2}
    {"user": 1, "redo": true}  {"user": 1, "checkpoint": "save", "name": "clean"}
    {"user": 1, "branch": "what if"}  {"user": 1, "variables": true}

`user` is a whole number, by default 1, and an `id` of any kind is repeated in every answer to its request.
The requests of one user are carried out in order, those of different users at the same time; `input` and
`interrupt` go to what runs without waiting. When the lines end, so does the input of a cell that asks for
some. Every answer has an `event`; docs/json.md lists them.
"""

import asyncio
import base64
import contextlib
import json
import logging
from collections import deque
from collections.abc import AsyncIterable, Awaitable, Callable, Collection
from dataclasses import asdict
from functools import partial
from typing import Any, BinaryIO

from bot.errors import BotError, NothingRuns
from bot.notebooks.bundle import bundle, notebook
from bot.notebooks.replay import imported, replay
from bot.reply import Reply
from bot.request import Request
from bot.session import Session
from bot.sessions import Sessions
from bot.terminal.machine.json_fields import (
    answer_fields,
    event_fields,
    file_fields,
    result_fields,
    step_fields,
    variables_fields,
)
from bot.terminal.machine.json_requests import PATHS, BadRequest, Line, parsed, text_of
from bot.terminal.machine.undo_requests import UndoRequests
from bot.terminal.paths import content, created, named, opened
from bot.wording.error_messages import advice, sentence
from filestore.errors import FileStoreError
from filestore.records import SessionRecord
from kernels.cell.events import END_OF_INPUT, InputRequest
from kernels.errors import KernelClosed, KernelError, NoQuestion
from kernels.notebooks.cells import NotebookError

__all__ = ["JsonLines"]

log = logging.getLogger(__name__)

PLACE = "json"
FLAGS = {
    "files": (),
    "variables": (),
    "reset": ("all",),
    "redo": (),
    "interrupt": ("kill",),
}  # the value is true, or one of these
URGENT = {"input", "interrupt"}


class JsonLines:
    """Serves requests from `lines` and writes answers with `write`, which does not wait for the reader.

    `room` waits for it: no request is begun, and no cell goes on being told, before that.
    """

    def __init__(
        self, sessions: Sessions, write: Callable[[str], object], room: Callable[[], Awaitable[object]]
    ) -> None:
        self._sessions = sessions
        self._write = write
        self._room = room
        # Of the users with requests to be carried out; what goes to a running cell has a queue of its own.
        self._queues: dict[tuple[int, bool], deque[Line]] = {}
        self._urgent_work: set[asyncio.Task[None]] = set()
        self._ended = False  # the input has ended: nobody can answer any more
        self._ending = False  # the program was told to end
        undoing = UndoRequests(sessions, PLACE)
        self._verbs: dict[str, Callable[[int, Line], Awaitable[None]]] = {
            "code": self._run,
            "ask": self._ask,
            "upload": self._upload,
            "files": self._files,
            "load_file": self._load,
            "variables": self._variables,
            "reset": self._reset,
            **{verb: partial(self._undo, carry_out) for verb, carry_out in undoing.verbs.items()},
            "notebook": self._notebook,
            "bundle": self._bundle,
            "replay": self._replay,
            "input": self._urgent,
            "interrupt": self._urgent,
        }

    async def serve(self, lines: AsyncIterable[bytes]) -> None:
        """Read requests until the input ends, and carry out all of them."""
        async with asyncio.TaskGroup() as users:
            number = 0
            async for line in lines:
                number += 1
                try:
                    if not line.isspace():
                        self._accept(parsed(line), users)
                except BadRequest as error:
                    known = {key: error.request[key] for key in ("id", "user") if key in error.request}
                    self._say(known | {"event": "error", "line": number, "message": str(error)})
                    await self._room()
            if self._urgent_work:  # for example an answer to a cell
                await asyncio.wait(self._urgent_work)
            if not self._ending:  # else a cell that asks can be answered after the next start
                self._ended = True
                for user, _ in self._queues:
                    self._end_question(user)

    def end(self) -> bool:
        """Begin nothing new, because the program ends. Returns whether something is under way."""
        self._ending = True
        for (user, _), queue in self._queues.items():
            while queue:
                self._fail(user, queue.popleft(), KernelClosed())
        return bool(self._queues)

    async def tell_late(self, record: SessionRecord, reply: Reply) -> None:
        """Write what a cell's code printed after its end."""
        await self._room()
        self._write_reply(record.user_id, {}, reply)

    async def tell_resumed(self, record: SessionRecord, reply: Reply) -> None:
        """Write what happens in a cell that an earlier program began."""
        await self._room()
        self._write_reply(record.user_id, {}, reply)

    async def fail_resumed(self, record: SessionRecord, cell: int, error: Exception) -> None:
        """Write why a cell that an earlier program began has no result."""
        fields = {"event": "error", "error": type(error).__name__, "message": sentence(error)}
        self._answer(record.user_id, {}, {"cell": cell} | fields)

    async def end_answers(self, session_ids: Collection[str]) -> None:
        """What was written does not change."""

    def _accept(self, request: Line, users: asyncio.TaskGroup) -> None:
        user = request.get("user", 1)
        wanted = [verb for verb in self._verbs if verb in request]
        if len(wanted) != 1:
            had = f"; this one has {' and '.join(wanted)}" if wanted else ""
            raise BadRequest(f"a request has one of: {', '.join(self._verbs)}{had}", request)
        flag = wanted[0]
        if flag in FLAGS and request[flag] is not True and request[flag] not in FLAGS[flag]:
            more = "".join(f' or "{value}"' for value in FLAGS[flag])
            raise BadRequest(f"{flag} is true{more}, or is left out", request)
        urgent = wanted[0] in URGENT
        if self._ending and not urgent:
            self._fail(user, request, KernelClosed())
            return
        if (user, urgent) in self._queues:
            self._queues[user, urgent].append(request)
            return
        self._queues[user, urgent] = deque([request])
        task = users.create_task(self._work(user, urgent=urgent))
        if urgent:
            self._urgent_work.add(task)
            task.add_done_callback(self._urgent_work.discard)

    async def _work(self, user: int, *, urgent: bool) -> None:
        """Carry out the user's requests in order until there are none left; then forget the user."""
        queue = self._queues[user, urgent]
        while queue:
            if not urgent:
                await self._room()
            if not queue:  # they were refused meanwhile, because the program ends
                break
            request = queue.popleft()
            verb = next(verb for verb in self._verbs if verb in request)
            await self._safely(user, request, self._verbs[verb])
        del self._queues[user, urgent]

    async def _safely(self, user: int, request: Line, verb: Callable[[int, Line], Awaitable[None]]) -> None:
        try:
            await verb(user, request)
        except BadRequest as error:
            self._answer(user, request, {"event": "error", "error": "BadRequest", "message": str(error)})
        except asyncio.CancelledError:
            if self._ending:  # it was given up
                self._fail(user, request, KernelClosed())
            raise
        except Exception as error:  # whatever fails in one request, the others must go on
            if not isinstance(error, FileStoreError | KernelError | BotError | NotebookError | OSError):
                log.exception("a request failed")
            self._fail(user, request, error)

    def _fail(self, user: int, request: Line, error: Exception) -> None:
        told = sentence(error, paths=not PATHS.isdisjoint(request))
        fields = {"event": "error", "error": type(error).__name__, "message": told}
        if advised := advice(error):
            fields["advice"] = advised
        self._answer(user, request, fields)

    async def _run(self, user: int, request: Line) -> None:
        wanted = request.get("user_files", [])
        if not isinstance(wanted, list) or not all(isinstance(one, str) for one in wanted):
            raise BadRequest("user_files is a list of file ids")

        code, tell = text_of(request, "code"), partial(self._tell_reply, user, request)
        await self._sessions.execute_code(code, user, wanted, place=PLACE, can_answer=True, tell=tell)

    async def _ask(self, user: int, request: Line) -> None:
        asked = Request(user, str(user), PLACE, words=text_of(request, "ask"))
        answer = await self._sessions.ask(asked, partial(self._tell_reply, user, request))
        self._answer(user, request, answer_fields(answer))

    async def _urgent(self, user: int, request: Line) -> None:
        session = await self._session(user)
        if "input" in request:
            session.answer(text_of(request, "input"))
        else:
            await session.stop(kill=request["interrupt"] == "kill")

    async def _upload(self, user: int, request: Line) -> None:
        path, limit = text_of(request, "upload"), self._sessions.files.max_file
        name, data = await asyncio.to_thread(content, path, limit=limit)
        stored = await self._sessions.upload(name, data, user, place=PLACE)
        self._answer(user, request, {"event": "uploaded", "file": file_fields(stored)})

    async def _files(self, user: int, request: Line) -> None:
        files = [file_fields(file) async for file in self._sessions.files.all_of(user)]
        self._answer(user, request, {"event": "files", "files": files})

    async def _load(self, user: int, request: Line) -> None:
        loaded = await self._sessions.load_file(text_of(request, "load_file"), user)
        data = base64.b64encode(loaded.data).decode()
        self._answer(user, request, {"event": "loaded", "file": file_fields(loaded.record), "data": data})

    async def _variables(self, user: int, request: Line) -> None:
        session = await self._session(user)
        self._answer(user, request, variables_fields(await session.kernel.state()))

    async def _reset(self, user: int, request: Line) -> None:
        if request["reset"] == "all":
            await self._sessions.discard(user, PLACE)
        else:
            await (await self._session(user)).reset()
        self._answer(user, request, {"event": "reset"})

    async def _undo(
        self, carry_out: Callable[[int, Line], Awaitable[dict[str, Any]]], user: int, request: Line
    ) -> None:
        self._answer(user, request, await carry_out(user, request))

    async def _notebook(self, user: int, request: Line) -> None:
        session = await self._session(user)
        await self._save(user, request, "notebook", partial(notebook, session))

    async def _bundle(self, user: int, request: Line) -> None:
        session = await self._session(user)
        await self._save(user, request, "bundle", partial(bundle, session, self._sessions.files))

    async def _save(
        self, user: int, request: Line, verb: str, write: Callable[[BinaryIO], Awaitable[object]]
    ) -> None:
        path = named(text_of(request, verb))
        with created(path) as file:
            await write(file)
            size = file.tell()
        self._answer(user, request, {"event": "saved", "path": str(path), "size": size})

    async def _replay(self, user: int, request: Line) -> None:
        async def file() -> BinaryIO:
            return await asyncio.to_thread(opened, text_of(request, "replay"))

        keep_going = request.get("keep_going", False)
        if not isinstance(keep_going, bool):
            raise BadRequest("keep_going is true or false")
        failed = 0
        async with imported(self._sessions.jobs, user, file) as found:
            session, asked = await self._session(user), Request(user, str(user), PLACE)
            tell = partial(self._tell_reply, user, request)
            async for step in replay(session, found, asked, tell, keep_going=keep_going):
                failed += step.failed
                self._answer(user, request, step_fields(step))
        self._answer(user, request, {"event": "replayed", "failed": failed, "notes": list(found.notes)})

    async def _session(self, user: int) -> Session:
        return await self._sessions.session(user, PLACE)

    async def _tell_reply(self, user: int, request: Line, reply: Reply) -> None:
        await self._room()
        self._write_reply(user, request, reply)

    def _write_reply(self, user: int, request: Line, reply: Reply) -> None:
        place = {"cell": reply.cell, "late": True} if reply.late else {"cell": reply.cell}
        if reply.words:
            self._answer(user, request, {"event": "words", "text": reply.words})
        if reply.code:
            self._answer(user, request, place | {"event": "code", "code": reply.code})
        if reply.usage is not None:
            self._answer(user, request, {"event": "usage", **asdict(reply.usage)})
        if reply.event is not None:
            self._answer(user, request, place | event_fields(reply.event))
        if self._ended and isinstance(reply.event, InputRequest):
            self._end_question(user)
        if reply.result is not None:
            self._answer(user, request, place | result_fields(reply.result))
        elif reply.files or reply.skipped:
            files = [file_fields(file.record) for file in reply.files]
            skipped = [{"name": one.name, "reason": one.reason} for one in reply.skipped]
            self._answer(user, request, place | {"event": "captured", "files": files, "skipped": skipped})

    def _end_question(self, user: int) -> None:
        """Tell an `input()` that waits for this user, if there is one, that the input has ended."""
        session = self._sessions.opened(self._sessions.id_of(user, PLACE))
        with contextlib.suppress(NothingRuns, NoQuestion):
            if session is not None:
                session.answer(END_OF_INPUT)

    def _answer(self, user: int, request: Line, fields: dict[str, Any]) -> None:
        self._say({"user": user} | ({"id": request["id"]} if "id" in request else {}) | fields)

    def _say(self, fields: dict[str, Any]) -> None:
        self._write(json.dumps(fields) + "\n")
