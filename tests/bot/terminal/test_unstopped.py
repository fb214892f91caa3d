"""A cell that Ctrl-C does not stop: what happens at the terminal, in a script, and with a program."""

import asyncio
import fcntl
import io
import os
import pty
import signal
import struct
import sys
import termios
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output.plain_text import PlainTextOutput

from bot.compose import compose
from bot.errors import NothingRuns
from bot.reply import Reply
from bot.sessions import Sessions
from bot.terminal.keyboard import Keyboard
from bot.terminal.question import DECIDE
from bot.terminal.repl import AGAIN, Repl
from bot.terminal.screen import Screen
from bot.wording.cell_messages import DOES_NOT_STOP, kill_costs, without_answer
from config.settings import load
from kernels.cell.events import Unstopped
from kernels.errors import NoQuestion
from kernels.kernel import Kernel
from tests.live.cells import deaf, until_saved
from tests.program import ROOT, Program

DEAF = deaf('print("caught", flush=True)')
ASKS = "import time; print('on', flush=True)\ntry: time.sleep(600)\n"
ASKS += "except KeyboardInterrupt: print('so', input('really? '))\n"
ENTER, CTRL_C, CTRL_D = "\r", "\x03", "\x04"
SOON = timedelta(milliseconds=200)  # after which a cell that goes on is asked about
PATIENCE = 40.0  # seconds on a loaded machine


def test_the_question_is_true_about_what_is_lost() -> None:
    """It cannot name what this cell has defined; files stay; a deadline is mentioned only if there is one."""
    many = Unstopped(tuple(f"v{n}" for n in range(15)), limited=True, asks=False)
    assert kill_costs(many).startswith("Killing its kernel loses v0, v1,")
    assert "v11 and 3 more, and whatever this cell has defined; your files stay." in kill_costs(many)
    assert "killed when its time is up" in without_answer(many)
    none = Unstopped((), limited=False, asks=False)
    assert kill_costs(none) == "Killing its kernel loses whatever this cell has defined; your files stay."
    assert without_answer(none) == "Without an answer it goes on until it ends."
    assert kill_costs(Unstopped(("df",), limited=False, asks=False, saved=12)) == (
        "Killing its kernel loses whatever this cell has defined or changed; your variables come back as"
        " after cell 12, and your files stay."
    )


def kernel_of(sessions: Sessions) -> Kernel:
    """The person's kernel, in this process."""
    session = sessions.opened("u1")
    assert session is not None
    kernel = sessions.pool.kernel("u1", session.files)
    assert isinstance(kernel, Kernel)
    return kernel


@dataclass
class Typing:
    """Somebody at a keyboard, and all that they have seen so far."""

    keyboard: PipeInput
    drawn: io.StringIO
    shown: pytest.CaptureFixture[str]
    sessions: Sessions
    printed: str = ""

    def type(self, text: str) -> None:
        """Press these keys."""
        self.keyboard.send_text(text)

    @property
    def seen(self) -> str:
        """What was printed, including what was drawn around prompts."""
        self.printed += self.shown.readouterr().out
        return self.printed + self.drawn.getvalue()

    async def until(self, condition: Callable[[str], bool]) -> None:
        """Wait until this can be seen."""
        async with asyncio.timeout(PATIENCE):
            while not condition(self.seen):  # noqa: ASYNC110  the screen tells nobody
                await asyncio.sleep(0.02)

    async def interrupt(self) -> None:
        """Press Ctrl-C while no prompt stands there; a cell that goes on is asked about soon."""
        kernel_of(self.sessions).grace = SOON
        os.kill(os.getpid(), signal.SIGINT)

    def go(self) -> None:
        """Let DEAF end."""
        (kernel_of(self.sessions).workspace.path / "go").touch()


@asynccontextmanager
async def typing(
    sessions: Sessions, folder: Path, shown: pytest.CaptureFixture[str]
) -> AsyncIterator[Typing]:
    """A person at the terminal, who leaves with Ctrl-D."""
    drawn = io.StringIO()
    with (
        create_pipe_input() as keyboard,
        create_app_session(input=keyboard, output=PlainTextOutput(drawn)),
    ):
        terminal = Repl(sessions, Screen(folder / "pictures", str, colour=False), user_id=1)
        talking = asyncio.create_task(terminal.talk(Keyboard(folder / "history", terminal.kernel)))
        yield Typing(keyboard, drawn, shown, sessions)
        keyboard.send_text(CTRL_D)
        await asyncio.wait_for(talking, PATIENCE)


async def test_whoever_types_k_kills_and_is_told_the_loss(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Anything but k or w repeats the question, and Ctrl-C at the question interrupts once more."""
    settings = load(data=tmp_path / "data", node="none", preload="none", state="on")
    async with compose(settings) as sessions, typing(sessions, tmp_path, capsys) as person:
        person.type("kept = 7" + ENTER)
        await person.until(lambda _: sessions.opened("u1") is not None)
        await until_saved(kernel_of(sessions), 1)
        person.type(f"exec({DEAF!r})" + ENTER)
        await person.until(lambda seen: "on\n" in seen)
        await person.interrupt()
        await person.until(lambda seen: DECIDE.strip() in seen)
        assert DOES_NOT_STOP in person.seen
        assert "your variables come back as after cell 1, and your files stay" in person.seen
        await person.until(lambda seen: seen.count("caught\n") == 1)
        person.type("kitten" + ENTER + CTRL_C)
        await person.until(lambda seen: seen.count("caught\n") == 2)
        assert "Fresh kernel" not in person.seen
        person.type("k" + ENTER)
        await person.until(lambda seen: "Your variables are as after cell 1." in seen)
        await person.until(lambda seen: "Interrupted." in seen)
        person.type("kept * 6" + ENTER)
        await person.until(lambda seen: "42\n" in seen)


@pytest.mark.parametrize("typed", ["Wait" + ENTER, CTRL_D])
async def test_whoever_types_w_waits_and_loses_nothing(
    sessions: Sessions, tmp_path: Path, capsys: pytest.CaptureFixture[str], typed: str
) -> None:
    """Ctrl-C then asks again; the question disappears when the cell ends by itself."""
    async with typing(sessions, tmp_path, capsys) as person:
        person.type("kept = 7" + ENTER + f"exec({DEAF!r})" + ENTER)
        await person.until(lambda seen: "on\n" in seen)
        for keys in (typed, ""):
            asked = person.drawn.getvalue().count(DECIDE.strip())
            await person.interrupt()
            await person.until(lambda _: _undecided(person))
            await person.until(lambda _, asked=asked: person.drawn.getvalue().count(DECIDE.strip()) > asked)
            person.type(keys)
            await person.until(lambda _, keys=keys: _undecided(person) is not bool(keys))
        person.go()
        await person.until(lambda seen: "the end\n" in seen)
        await person.until(lambda _: not _busy(person))
        person.type("kept * 6" + ENTER)  # no longer an answer to the question
        await person.until(lambda seen: "42\n" in seen)
        assert "Fresh kernel" not in person.seen


def _busy(person: Typing) -> bool:
    session = person.sessions.opened("u1")
    return session is not None and session.busy


def _undecided(person: Typing) -> bool:
    session = person.sessions.opened("u1")
    assert session is not None
    return session._run_of(None)._stop.undecided  # type: ignore[attr-defined, no-any-return]


async def test_a_cell_that_asks_when_it_is_stopped_is_answered_after_the_decision(
    sessions: Sessions, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its own question is shown, set aside for the one about the cell, and shown again."""
    async with typing(sessions, tmp_path, capsys) as person:
        person.type(f"exec({ASKS!r})" + ENTER)
        await person.until(lambda seen: "on\n" in seen)
        await person.interrupt()
        await person.until(lambda seen: DOES_NOT_STOP in seen and DECIDE.strip() in seen)
        before = person.drawn.getvalue().count("really?")
        person.type("w" + ENTER)
        await person.until(lambda _: person.drawn.getvalue().count("really?") > before)
        person.type("yes" + ENTER)
        await person.until(lambda seen: "so yes\n" in seen)
        assert "Fresh kernel" not in person.seen


async def test_at_a_real_terminal_the_keys_do_what_the_question_says(tmp_path: Path) -> None:
    """The program on its own terminal, with its kernel in a node: Ctrl-C, and k."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 200, 0, 0))
    seen = bytearray()
    loop = asyncio.get_running_loop()
    process = await asyncio.create_subprocess_exec(
        *("setsid", "--ctty", sys.executable, "-m", "bot.console"),
        *("--log-level", "error", "--data", str(tmp_path / "data")),
        cwd=ROOT,
        env=os.environ | {"PRELOAD": "none", "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"},
        stdin=follower,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)

    def read() -> None:
        try:
            seen.extend(os.read(leader, 1 << 16))
        except OSError:  # the program has closed its end
            loop.remove_reader(leader)

    async def until(text: bytes) -> None:
        try:
            async with asyncio.timeout(2 * PATIENCE):
                while text not in seen:  # noqa: ASYNC110  a terminal tells nobody
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"{text!r} is not in {bytes(seen)!r}") from None
        del seen[: seen.index(text) + len(text)]

    loop.add_reader(leader, read)
    try:
        await until(b">>>")
        os.write(leader, b"kept = 7\r")
        os.write(leader, f"exec({DEAF!r})\r".encode())
        await until(b"on\r\n")
        os.write(leader, CTRL_C.encode())
        await until(f"{DOES_NOT_STOP} Killing its kernel loses kept,".encode())
        await until(b"Type w to wait")
        os.write(leader, b"k\r")
        await until(b"killed as you wanted")
        await until(b"Lost: kept")
        await until(b">>>")
        os.write(leader, CTRL_D.encode())
        assert await asyncio.wait_for(process.wait(), PATIENCE) == 0
    finally:
        loop.remove_reader(leader)
        os.close(leader)
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("again", [True, pytest.param(False, marks=pytest.mark.soak)])
async def test_a_script_says_it_and_a_second_ctrl_c_kills(tmp_path: Path, again: bool) -> None:
    """Nobody can type there; without a second Ctrl-C the cell goes on, to its deadline if it has one."""
    flags = () if again else ("--timeout", "4s")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot.console", "--log-level", "error", "--preload", "none"),
        *("--data", str(tmp_path / "data"), *flags),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"kept = 7\n# %%\n{DEAF}\n# %%\nprint('never')\n".encode())
    process.stdin.close()
    printed = ""
    async with asyncio.timeout(2 * PATIENCE):
        while line := (await process.stdout.readline()).decode():
            printed += line
            if line == "on\n" or (again and AGAIN in line):
                process.send_signal(signal.SIGINT)
        assert await process.wait() == 1
    assert printed.count(DOES_NOT_STOP) == 1
    assert ("killed when its time is up" in printed, "goes on until it ends" in printed) == (not again, again)
    assert ("killed as you wanted" in printed, "until its time was up" in printed) == (again, not again)
    assert printed.count("caught\n") == 1
    assert "Lost: kept, and whatever the cell that was running had defined." in printed
    assert "never" not in printed


class Stops:
    """A session whose cells are stopped, and in which there is at most one decision to make."""

    def __init__(self, *, asks: bool) -> None:
        self.asks = asks
        self.done: list[str] = []

    def decide(self, *, kill: bool) -> None:
        if not self.asks:
            raise NoQuestion
        self.done.append("kill" if kill else "wait")

    async def stop(self) -> None:
        self.done.append("stop")
        raise NothingRuns  # it ended at this moment, which is fine


@pytest.mark.parametrize("asks", [True, False])
@pytest.mark.parametrize("earlier", [True, False])
async def test_ctrl_c_in_a_script_is_never_lost(
    sessions: Sessions, tmp_path: Path, asks: bool, earlier: bool
) -> None:
    """It stops the cell even if the question was about an earlier one, or has already gone away."""
    terminal = Repl(sessions, Screen(tmp_path / "pictures", str, colour=False), user_id=1)
    session, seen = Stops(asks=asks), asyncio.Event()
    told = Reply(1, event=Unstopped((), limited=True, asks=False))
    if earlier:
        await terminal._tell(session, told)  # type: ignore[arg-type]  # what is asked of it, it has
    async with terminal._stopping_with_ctrl_c(session):  # type: ignore[arg-type]
        if not earlier:
            await terminal._tell(session, told)  # type: ignore[arg-type]
        asyncio.get_running_loop().call_later(0.05, seen.set)
        os.kill(os.getpid(), signal.SIGINT)
        await seen.wait()
    assert session.done == ["kill" if asks and not earlier else "stop"]


async def test_a_program_is_told_and_nothing_is_killed_unless_it_says_so(tmp_path: Path) -> None:
    """`"interrupt": true` leaves the kernel to its deadline, `"interrupt": "kill"` does not; see README."""
    async with Program.start(tmp_path / "data") as program:
        await program.run("kept = 7")
        sent = program.send(code=DEAF)
        await program.answer(id=sent, event="stream")
        program.send(interrupt=True)
        told = await program.answer(id=sent, event="unstopped")
        assert (told["lost"], told["limited"], told["asks"]) == (["kept"], False, False)
        workspace = tmp_path / "data" / "workspaces" / "u1"
        (workspace / "go").touch()
        ended = await program.answer(id=sent, event="result")
        assert (ended["status"], ended["lost"]) == ("interrupted", [])
        sent = program.send(code=DEAF)
        await program.answer(id=sent, event="stream")
        program.send(interrupt="kill")
        killed = await program.answer(id=sent, event="result")
        assert (killed["status"], "kept" in killed["lost"]) == ("interrupted", True)
        assert program.events(sent, "unstopped") == []


@pytest.mark.soak
async def test_without_an_answer_a_programs_cell_is_killed_at_its_deadline(tmp_path: Path) -> None:
    """And not before."""
    async with Program.start(tmp_path / "data", "--timeout", "3s") as program:
        sent = program.send(code=DEAF)
        await program.answer(id=sent, event="stream")
        program.send(interrupt=True)
        told = await program.answer(id=sent, event="unstopped")
        assert (told["lost"], told["limited"]) == ([], True)
        ended = await program.answer(id=sent, event="result")
        assert (ended["status"], ended["return_code"]) == ("interrupted", 130)
        assert ended["execution_time"] > 2.9


async def test_a_reset_and_the_end_of_a_turn_do_not_ask(tmp_path: Path) -> None:
    """Of a cell that does not stop, also while it is asked about."""
    settings = load(data=tmp_path / "data", node="none", preload="none")
    asked, shown = asyncio.Event(), asyncio.Event()

    async def tell(reply: object) -> None:
        event = getattr(reply, "event", None)
        if isinstance(event, Unstopped):
            asked.set()
        elif event is not None:
            shown.set()

    async with compose(settings) as sessions, asyncio.timeout(PATIENCE):
        for stopped in (True, False):
            asked.clear()
            shown.clear()
            turn = asyncio.create_task(sessions.execute_code(DEAF, 1, tell=tell))
            await shown.wait()
            session = await sessions.session(1, "terminal")
            kernel_of(sessions).grace = SOON
            if stopped:
                await session.stop()
                await asked.wait()
            await session.reset()
            assert (await turn).status == "interrupted"
            assert asked.is_set() is stopped
