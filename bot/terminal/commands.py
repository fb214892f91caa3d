"""The terminal's own commands, which begin with `%`; `%help` lists them.

Any other `%` is IPython's and runs in the kernel.
"""

import asyncio
import keyword
import re
import shlex
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO

from bot.errors import BotError
from bot.notebooks.bundle import bundle, notebook
from bot.notebooks.replay import imported
from bot.sessions import Sessions
from bot.terminal.paths import content, created, named, opened
from bot.terminal.screen import Screen
from bot.terminal.undo_commands import HELP as UNDO_HELP
from bot.terminal.undo_commands import CommandFailed, UndoVerbs
from bot.wording.error_messages import for_operator
from bot.wording.saved_messages import what_is_saved
from filestore.errors import FileStoreError
from kernels.errors import KernelError
from kernels.notebooks.cells import Notebook, NotebookError
from kernels.text.clipping import counted
from kernels.text.visible import one_line

__all__ = ["CommandFailed", "Commands"]

HELP = f"""\
Type Python; the last line's value is shown. `%magic`, `!command` and `name?` work as in IPython.
  %files              your stored files: id, type, size, time left
  %load ID [NAME]     load a stored file into a variable
  %upload PATH        store a file of this machine, and put it into the workspace
  %ask WORDS          ask the model, which can run code here; a line that is clearly prose asks it, too
  %usage              how much you have used the model today
  %vars               your variables, and what is saved of them
{UNDO_HELP}
  %reset [all]        a fresh kernel; `all` also deletes workspace, stored files and transcript
  %notebook [PATH]    save the session as a Jupyter notebook
  %bundle [PATH]      the same as a zip, with the files that it used or made
  %replay PATH        run a notebook's cells here, until one fails
  %help               this
In a cell: load_file(id), file_path(id), list_files(). Files that you write are stored when the cell ends.
Enter runs a complete line, an empty line ends a block, Esc Enter runs it as it is.
Prose is what begins with two words and is not Python; without a model it is run as code.
Ctrl-C stops the cell or the model, Ctrl-D or `exit` leaves. Files, transcript and variables are kept;
where variables are not saved, they end with their kernel, and nothing can be undone."""


class Commands:
    """Carries out commands for one person.

    `run` runs code as if it was typed, `run_notebook` runs a notebook, `ask` asks the model.
    """

    def __init__(
        self,
        sessions: Sessions,
        screen: Screen,
        user_id: int,
        place: str,
        run: Callable[[str], Awaitable[None]],
        run_notebook: Callable[[Notebook], Awaitable[None]],
        ask: Callable[[str], Awaitable[None]],
    ) -> None:
        self._sessions = sessions
        self._screen = screen
        self._user_id = user_id
        self._place = place
        self._run = run
        self._run_notebook = run_notebook
        self._ask = ask
        self._verbs: dict[str, Callable[[list[str]], Awaitable[None]]] = {
            "%ask": self._no_words,
            "%files": self._files,
            "%load": self._load,
            "%upload": self._upload,
            "%usage": self._usage,
            "%vars": self._vars,
            "%reset": self._reset,
            "%notebook": self._notebook,
            "%bundle": self._bundle,
            "%replay": self._replay,
            "%help": self._help,
        } | UndoVerbs(sessions, screen, user_id, place).verbs

    async def carry_out(self, text: str) -> bool:
        """Carry out `text` if it is a command; False if it is code. Raises: CommandFailed."""
        command, _, rest = text.strip().partition(" ")
        if command == "%ask" and rest.strip():  # the words as they are, with quotes
            await self._ask(rest.strip())
            return True
        try:
            words = shlex.split(text) if text.startswith("%") and "\n" not in text.strip() else []
        except ValueError:  # an unclosed quote: this is code
            return False
        if not words or words[0] not in self._verbs:
            return False
        try:
            await self._verbs[words[0]](words[1:])
        except (BotError, FileStoreError, KernelError, NotebookError, OSError) as error:
            raise CommandFailed(for_operator(error)) from error
        return True

    async def _help(self, _words: list[str]) -> None:
        self._screen.line(HELP)

    async def _files(self, _words: list[str]) -> None:
        page = await self._sessions.list_user_files(self._user_id, limit=100)
        if not page.files:
            self._screen.note("No files. What a cell writes is stored when the cell ends.")
        self._screen.files(page.files)
        if page.next is not None:
            self._screen.note("  ... and older files")

    async def _load(self, words: list[str]) -> None:
        if not 1 <= len(words) <= 2:
            raise CommandFailed("Say which file: %load ID [NAME]; %files lists them.")
        session = await self._sessions.session(self._user_id, self._place)
        stored = await self._sessions.files.find(words[0], self._user_id, session.record.session_id)
        name = words[1] if len(words) == 2 else variable_name(stored.filename)
        if not name.isidentifier() or keyword.iskeyword(name):
            raise CommandFailed(f"{name} cannot be the name of a variable: use letters, digits and _.")
        code = f'{name} = load_file("{stored.file_id}")'
        self._screen.note(code)
        await self._run(code)

    async def _upload(self, words: list[str]) -> None:
        if len(words) != 1:
            raise CommandFailed("Say which file: %upload PATH (in quotes where it has spaces).")
        name, data = await asyncio.to_thread(content, words[0], limit=self._sessions.files.max_file)
        stored = await self._sessions.upload(name, data, self._user_id, place=self._place)
        self._screen.files([stored])

    async def _vars(self, _words: list[str]) -> None:
        session = await self._sessions.session(self._user_id, self._place)
        state = await session.kernel.state()
        variables = state.variables
        if not state.alive and state.saved:
            self._screen.note(
                f"Your next cell starts a kernel, with your variables as after cell {state.saved}."
            )
        elif not variables:
            self._screen.note("No variables.")
        for variable in variables:
            name, kind, detail = map(one_line, (variable.name, variable.type, variable.detail))
            self._screen.line(f"  {name:<20} {kind:<16} {detail}")
        if saved := what_is_saved(state):
            self._screen.note(saved)

    async def _usage(self, _words: list[str]) -> None:
        total = await self._sessions.ledger.today(self._user_id)
        self._screen.note(
            f"Today: {counted(total.turns, 'answer')}, {total.input_tokens:,} tokens in,"
            f" {total.output_tokens:,} out, ${total.cost:.4f}, {total.cell_seconds:.1f} s of its cells."
        )

    async def _no_words(self, _words: list[str]) -> None:
        raise CommandFailed("Say what: %ask WORDS.")

    async def _notebook(self, words: list[str]) -> None:
        session = await self._sessions.session(self._user_id, self._place)
        await self._save(words, "notebook.ipynb", partial(notebook, session))

    async def _bundle(self, words: list[str]) -> None:
        session = await self._sessions.session(self._user_id, self._place)
        await self._save(words, "notebook.zip", partial(bundle, session, self._sessions.files))

    async def _save(
        self, words: list[str], name: str, write: Callable[[BinaryIO], Awaitable[object]]
    ) -> None:
        if len(words) > 1:
            raise CommandFailed("Say one path, in quotes where it has spaces.")
        path = named(words[0]) if words else _new(name)
        with created(path) as file:
            await write(file)
        self._screen.note(f"Saved: {path.absolute()}")

    async def _replay(self, words: list[str]) -> None:
        if len(words) != 1:
            raise CommandFailed("Say which notebook: %replay PATH (in quotes where it has spaces).")

        async def file() -> BinaryIO:
            return await asyncio.to_thread(opened, words[0])

        async with imported(self._sessions.jobs, self._user_id, file) as notebook:
            await self._run_notebook(notebook)

    async def _reset(self, words: list[str]) -> None:
        if words not in ([], ["all"]):
            raise CommandFailed(
                "%reset ends the kernel; %reset all also deletes your workspace, your stored files and the"
                " transcript."
            )
        if words:
            await self._sessions.discard(self._user_id, self._place)
            self._screen.note("Fresh kernel. Workspace, stored files and transcript are deleted.")
        else:
            await (await self._sessions.session(self._user_id, self._place)).reset()
            self._screen.note("Fresh kernel. Your files are kept.")


def _new(name: str) -> Path:
    """A new path in the working folder: `name`, with a number if it is taken."""
    file, number = Path(name), 1
    while file.exists():
        number += 1
        file = Path(name).with_stem(f"{Path(name).stem}-{number}")
    return file


def variable_name(filename: str) -> str:
    """A variable's name made from a file's: "my data.csv" gives my_data."""
    name = re.sub(r"\W", "_", Path(filename).stem.partition(".")[0]).strip("_") or "data"
    name = f"_{name}" if name[0].isdigit() else name
    return f"{name}_" if keyword.iskeyword(name) else name
