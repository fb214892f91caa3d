"""A person at a terminal types cells and sees them run; without a terminal a script is run.

await Repl(sessions, screen, user_id=1).talk(Keyboard(data / "history", terminal.kernel))
await Repl(sessions, screen, user_id=1).read(sys.stdin.read())
"""

import asyncio
import contextlib
import re
import shutil
import signal
from collections.abc import AsyncIterator, Collection
from functools import partial
from typing import TYPE_CHECKING

from bot.errors import BotError, NothingRuns
from bot.notebooks.replay import Step, replay
from bot.reply import Reply
from bot.request import Request
from bot.session import Session
from bot.sessions import Sessions
from bot.terminal.commands import CommandFailed, Commands
from bot.terminal.prose import is_prose
from bot.terminal.screen import Screen
from bot.turn import take_turn
from bot.wording.cell_messages import DOES_NOT_STOP, kill_costs, without_answer
from bot.wording.error_messages import for_operator
from filestore.errors import FileStoreError
from filestore.records import CellRecord, SessionRecord
from kernels.cell.events import InputRequest, Unstopped
from kernels.errors import KernelError, NoQuestion
from kernels.interface import PersonKernel
from kernels.notebooks.cells import Notebook
from kernels.sandbox.policy import Tier
from kernels.text.visible import one_line

if TYPE_CHECKING:
    from bot.terminal.keyboard import Keyboard
    from bot.terminal.question import QuestionPrompt

__all__ = ["PLACE", "Repl", "progress"]

PLACE = "terminal"
LEAVING = ("exit", "quit", "exit()", "quit()")  # as a whole line; within a cell they end its kernel
REMEMBERED = 5  # earlier cells shown when a person comes back
AGAIN = "Press Ctrl-C again to kill it."
CELL_MARK = re.compile(r"^# ?%%.*$", re.MULTILINE)  # separates the cells of a script, as in many editors


class Repl:
    """The terminal of one person."""

    def __init__(self, sessions: Sessions, screen: Screen, *, user_id: int) -> None:
        self._sessions = sessions
        self._screen = screen
        self._user_id = user_id
        self._commands = Commands(
            sessions, screen, user_id, PLACE, self._run_code, self._run_notebook, self._ask_model
        )
        self._questions: QuestionPrompt | None = None  # None: nobody is there to answer
        self._undecided = False  # a cell does not stop, and the next Ctrl-C will kill it
        self._columns = 0  # the width of the terminal that the kernel knows
        self._failed = self._taking = self._ending = False
        self._welcomed = asyncio.Event()  # set when earlier cells were shown

    async def talk(self, keyboard: "Keyboard") -> None:
        """Run cells from the keyboard until Ctrl-D or `exit`."""
        self._questions = keyboard.questions
        await self._welcome_back()
        while not self._ending:
            await self._questions.withdraw()  # of a cell that ended without a result
            self._screen.end_line()
            try:
                text = await keyboard.typed("\n>>> ")
            except KeyboardInterrupt:
                continue
            except EOFError:
                return
            if text.strip() in LEAVING:
                return
            await self._widen()
            await self._take(text)

    async def read(self, script: str) -> bool:
        """Run the cells of a script, which lines of `# %%` separate, until one fails; whether none did."""
        self._welcomed.set()
        for cell in CELL_MARK.split(script):
            await self._take(cell.strip("\n"))
            if self._failed or self._ending:
                return False
        return True

    def end(self) -> bool:
        """Begin nothing new, because the program ends. Returns whether something is under way."""
        self._ending = True
        return self._taking

    async def kernel(self) -> PersonKernel:
        """The kernel of the person at the terminal."""
        return (await self._sessions.session(self._user_id, PLACE)).kernel

    async def _widen(self) -> None:
        """Tell the kernel how wide the terminal is, if that has changed."""
        columns = shutil.get_terminal_size().columns
        if columns != self._columns:
            self._columns = columns
            with contextlib.suppress(BotError, FileStoreError, KernelError):  # the cell says it
                await (await self.kernel()).widen(columns)

    async def tell_late(self, _record: SessionRecord, reply: Reply) -> None:
        """Show what a cell's code printed after its end."""
        self._screen.show(reply)
        self._screen.end_line()

    async def tell_resumed(self, record: SessionRecord, reply: Reply) -> None:
        """Show what a cell of an earlier visit does, once the earlier cells were shown."""
        await self._welcomed.wait()
        await self._tell(await self._sessions.of_record(record), reply)

    async def fail_resumed(self, _record: SessionRecord, _cell: int, error: Exception) -> None:
        """Say why such a cell has no result."""
        self._screen.note(for_operator(error))

    async def end_answers(self, session_ids: Collection[str]) -> None:
        """What was shown does not change."""

    async def _take(self, text: str) -> None:
        self._taking, self._failed = True, False
        typed = self._questions is not None  # in a script only %ask asks the model: a slip must cost nothing
        try:
            if not text.strip() or await self._commands.carry_out(text):
                return
            if typed and self._sessions.model is not None and is_prose(text):
                await self._ask_model(text)
            else:
                await self._run_code(text)
        except CommandFailed as failure:
            self._failed = True
            self._screen.note(str(failure))
        finally:
            self._taking = False

    async def _ask_model(self, words: str) -> None:
        self._failed = True
        try:
            session = await self._sessions.session(self._user_id, PLACE)
            async with self._stopping_with_ctrl_c(session):
                await self._sessions.ask(self._request(words=words), partial(self._tell, session))
            self._failed = False
        except (BotError, FileStoreError, KernelError) as error:
            self._screen.note(for_operator(error))

    async def _run_code(self, code: str) -> None:
        try:
            session = await self._sessions.session(self._user_id, PLACE)
            async with self._stopping_with_ctrl_c(session):
                result = await take_turn(session, self._request(code), partial(self._tell, session))
            self._failed = not result.success
        except (FileStoreError, KernelError) as error:
            self._failed = True
            self._screen.note(for_operator(error))

    def _request(self, code: str = "", words: str | None = None) -> Request:
        can_answer = self._questions is not None
        return Request(self._user_id, "you", PLACE, code, words, can_answer=can_answer)

    async def _run_notebook(self, notebook: Notebook) -> None:
        session = await self._sessions.session(self._user_id, PLACE)
        async with self._stopping_with_ctrl_c(session):
            async for step in replay(
                session, notebook, self._request(), partial(self._tell, session), keep_going=False
            ):
                self._failed |= step.failed
                self._screen.note(progress(step))
        for note in notebook.notes:
            self._screen.note(note)

    async def _tell(self, session: Session, reply: Reply) -> None:
        if reply.result is not None:
            self._undecided = False
            if self._questions is not None:
                await self._questions.withdraw()
        self._screen.show(reply)
        if isinstance(reply.event, Unstopped):
            told = f"{DOES_NOT_STOP} {kill_costs(reply.event)} {without_answer(reply.event)}"
            self._undecided = self._questions is None
            self._screen.note(f"{told} {AGAIN}" if self._undecided else told)
        if isinstance(reply.event, InputRequest | Unstopped) and self._questions is not None:
            self._screen.end_line()
            self._questions.put_question(session, reply.event)

    @contextlib.asynccontextmanager
    async def _stopping_with_ctrl_c(self, session: Session) -> AsyncIterator[None]:
        """While entered, Ctrl-C stops the cell and the model instead of the program.

        Without a keyboard, a second Ctrl-C kills a cell that does not stop: there is no other key to press.
        """
        stopping: set[asyncio.Task[None]] = set()
        self._undecided = False  # an earlier cell may have ended without a result

        async def interrupt() -> None:
            with contextlib.suppress(NothingRuns):
                await session.stop()

        def stop() -> None:
            undecided, self._undecided = self._undecided, False
            if undecided:
                with contextlib.suppress(NothingRuns, NoQuestion):
                    session.decide(kill=True)
                    return
            stopping.add(asyncio.ensure_future(interrupt()))

        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, stop)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGINT)
            if stopping:
                await asyncio.wait(stopping)

    async def _welcome_back(self) -> None:
        session = await self._sessions.session(self._user_id, PLACE)
        cells: list[CellRecord] = []
        async for page in session.transcript.newest():
            cells += [entry for entry in page if isinstance(entry, CellRecord)]
            if len(cells) >= REMEMBERED:
                break
        if cells:
            await self._tell_of_before(session, cells[:REMEMBERED][::-1])
        else:
            tier = self._sessions.pool.tier
            held = "without a sandbox" if tier == "none" else f"in a sandbox of {Tier(tier).described}"
            model = f" Ask {self._sessions.model.name} in plain words." if self._sessions.model else ""
            self._screen.note(f"A Python kernel of your own, {held}.{model} %help shows what you can do.")
        if session.resumed:
            self._screen.note("The last cell, continued:")
        self._welcomed.set()
        if session.resumed:
            async with self._stopping_with_ctrl_c(session):
                await asyncio.wait(session.resumed)

    async def _tell_of_before(self, session: Session, cells: list[CellRecord]) -> None:
        for cell in cells:
            self._screen.earlier(cell)
        state = await session.kernel.state()
        gone = (
            f"come back as after cell {state.saved}" if state.saved else "were lost when their kernel ended"
        )
        variables = "are still there" if state.alive else gone
        files = (await self._sessions.list_user_files(self._user_id, limit=1)).files
        kept = "; your files are still here:" if files else "."
        self._screen.note(f"Welcome back. Your variables {variables}{kept}")
        if files:
            await self._commands.carry_out("%files")


def progress(step: Step) -> str:
    """A line that says how far a replay has got, and how the cell ended."""
    ending = "left out" if step.result is None else step.result.status
    said = [step.refused] if step.refused else step.differs
    more = f"; {', '.join(said)}" if said else ""
    return one_line(f"[cell {step.number} of {step.total}: {ending}{more}]", " ")
