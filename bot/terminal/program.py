"""Kernelcord without Discord: `python -m bot.console` for a person, `--json` for a program."""

import argparse
import asyncio
import contextlib
import errno
import io
import os
import signal
import sys
from functools import partial
from pathlib import Path

from tqdm import tqdm

from bot.compose import compose
from bot.errors import BotError
from bot.notebooks.bundle import replayed
from bot.notebooks.replay import replay
from bot.reply import tell_nobody
from bot.request import Request
from bot.sessions import Sessions
from bot.terminal.ending import ToldToEnd, until_told
from bot.terminal.machine.json_requests import LONGEST
from bot.terminal.machine.jsonl import JsonLines
from bot.terminal.paths import created, opened
from bot.terminal.repl import Repl, progress
from bot.terminal.screen import Screen
from bot.terminal.standard_input import InputLines, whole
from bot.terminal.standard_output import OutgoingLines
from bot.wording.cell_messages import ending
from bot.wording.error_messages import at_start, sentence
from config import log
from config.settings import Settings, add_flags, from_args
from filestore.errors import FileStoreError
from kernels.descriptors import raise_limit
from kernels.errors import KernelError
from kernels.notebooks.cells import Notebook, NotebookError
from kernels.notebooks.conversion import reading
from kernels.notebooks.packages import plotly_script
from kernels.text import visible

__all__ = ["main"]

USER_ID = 1  # the person at the terminal
LAST_LINES = 5.0  # seconds for a slow reader to take what is left when the program ends


async def serve_json(settings: Settings) -> bool:
    """Answer JSON lines until standard input ends. Raises: BrokenPipeError if nobody reads the answers."""
    lines, output = InputLines(LONGEST), OutgoingLines(sys.stdout.fileno())
    front_of = partial(JsonLines, write=output.write, room=output.room)
    try:
        async with compose(settings, front_of) as sessions:
            front = sessions.front
            assert isinstance(front, JsonLines)

            async def serve() -> None:
                await sessions.resume()
                await front.serve(lines)
                await output.written()

            def end() -> bool:
                lines.end_input()
                return front.end()

            await until_told(serve(), sessions, settings.shutdown_grace, end, output.gone)
    finally:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_LINES):
                await output.written()
    if output.gone.done():
        raise output.gone.result()
    return True


async def serve_person(settings: Settings) -> bool:
    """Talk with the person at the terminal, or run the script on standard input."""
    script = partial(plotly_script, settings.kernel_python)
    screen = Screen(settings.data / "pictures", script, colour=_has_colour())
    async with compose(settings, partial(Repl, screen=screen, user_id=USER_ID)) as sessions:
        terminal = sessions.front
        assert isinstance(terminal, Repl)

        async def serve() -> bool:
            if sys.stdin.isatty():
                from bot.terminal.keyboard import Keyboard

                await terminal.talk(Keyboard(settings.data / "history", terminal.kernel))
                return True
            script, odd = await whole()
            if odd is not None:
                print(sentence(odd, paths=True), file=sys.stderr)
            if not script.strip():
                screen.note("Kernelcord is set up. Run it at a terminal, or give it code on standard input.")
            return await terminal.read(script)

        return await until_told(serve(), sessions, settings.shutdown_grace, terminal.end)


async def serve_replay(settings: Settings, source: Path, target: Path | None, *, keep_going: bool) -> bool:
    """Run a notebook in a session of its own, and write it with the new outputs to `target`."""
    if target is not None:
        _check_folder(target)
    with opened(str(source)) as file:
        async with reading(file) as imported:
            async with compose(settings.model_copy(update={"session_scope": "place"})) as sessions:
                work = _replay(sessions, imported, source.name, target, keep_going=keep_going)
                failed = await until_told(work, sessions, settings.shutdown_grace, lambda: False)
            for note in imported.notes:
                print(visible.text(note), file=sys.stderr)
    return not failed


async def _replay(
    sessions: Sessions, imported: Notebook, name: str, target: Path | None, *, keep_going: bool
) -> int:
    """Run and write the notebook; returns the number of cells that failed."""
    try:
        await sessions.discard(USER_ID, "replay")
        session = await sessions.session(USER_ID, "replay")
        request = Request(USER_ID, "", "replay", can_answer=False)
        failed = 0
        with tqdm(total=imported.code_cells, desc=visible.one_line(name), unit="cell") as bar:
            async for step in replay(session, imported, request, tell_nobody, keep_going=keep_going):
                bar.update()
                failed += step.failed
                if step.failed or step.differs:
                    bar.write(visible.text(progress(step)), file=sys.stderr)
                if step.failed and step.result is not None:
                    why = step.result.error or ending(step.result) or ""
                    bar.write(visible.text(why), file=sys.stderr)
        if target is not None:
            with created(target) as file:
                await replayed(session, imported, file)
    finally:  # also if the replay is interrupted: its kernel must not go on
        await sessions.discard(USER_ID, "replay")
    return failed


def _check_folder(target: Path) -> None:
    """Check that the result can be written before cells run for hours. Raises: OSError."""
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    if not os.access(target if target.exists() else target.parent, os.W_OK):
        error = errno.EACCES if target.parent.is_dir() else errno.ENOENT
        raise OSError(error, os.strerror(error), str(target))


def _has_colour() -> bool:
    """Whether the terminal takes escape sequences, and the person wants colours (https://no-color.org)."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("NO_COLOR")


def main() -> int:
    """The program. Its exit status is 0, or 1 if a cell of a script failed, or 2 if it could not start.

    If nobody reads its output any more, it is 141, as usual. If SIGTERM or SIGHUP tells the program to end,
    it is 143 or 129, and running cells get SHUTDOWN_GRACE. Raises: KeyboardInterrupt.
    """
    parser = argparse.ArgumentParser(prog="python -m bot.console", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object a line in and out")
    parser.add_argument("--replay", type=Path, metavar="IN.ipynb", help="run a notebook's cells and end")
    parser.add_argument("--out", type=Path, metavar="OUT.ipynb", help="with --replay: where to write it anew")
    parser.add_argument("--keep-going", action="store_true", help="with --replay: go on after a failed cell")
    add_flags(parser)
    args = parser.parse_args()
    if args.replay is None and (args.out is not None or args.keep_going):
        parser.error("--out and --keep-going belong to --replay")
    for stream in (sys.stdin, sys.stdout):
        # Scripts may have bytes, and cells text, that cannot be shown.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    raise_limit()
    settings = from_args(args, cell_timeout=None, max_background=None)
    log.configure(settings.log_level, secrets=settings.secrets)
    if args.replay is not None:
        work = serve_replay(settings, args.replay, args.out, keep_going=args.keep_going)
    else:
        work = serve_json(settings) if args.json else serve_person(settings)
    try:
        return 0 if asyncio.run(work) else 1
    except ToldToEnd as told:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        os._exit(128 + told.number)  # without waiting for a thread that still reads
    except BrokenPipeError:  # whoever read the output has enough, for example `head`
        os._exit(128 + signal.SIGPIPE)  # likewise; nothing can be flushed
    except (BotError, FileStoreError, KernelError, NotebookError, OSError) as error:
        print(visible.text(at_start(error)), file=sys.stderr)
        return 2
