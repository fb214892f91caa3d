"""The terminal's commands that take cells back, and keep or branch what there is: see `commands.py`."""

from collections.abc import Awaitable, Callable

from bot.continuity.undo.by_name import go_to_branch
from bot.continuity.undo.undoable import number_of_cells
from bot.session import Session
from bot.sessions import Sessions
from bot.terminal.screen import Screen
from bot.wording.branch_messages import begun, forgotten, kept, list_of_branches, list_of_checkpoints, shown
from bot.wording.undo_messages import undone

__all__ = ["HELP", "CommandFailed", "UndoVerbs"]

HELP = """\
  %undo [CELLS]       take your last cell back, or several: variables and files
  %redo               take the last undo back
  %checkpoint save|restore|forget NAME, %checkpoint list
                      keep variables and files under a name, and go back to them
  %branch [NAME]      go on in a branch, which begins as you are now, or list them; `main` leads back"""
HOW_UNDO = "Say how many cells: %undo 2, or %undo for the last one."
HOW_CHECKPOINT = "Say what: %checkpoint save NAME, restore NAME, forget NAME, or list."
HOW_BRANCH = "Say one name, in quotes where it has spaces: %branch NAME; `main` leads back."


class CommandFailed(Exception):
    """A command could not be carried out; the text says why."""


class UndoVerbs:
    """`verbs` carries out each command, given its words; they raise CommandFailed, and as `Session.undo`."""

    def __init__(self, sessions: Sessions, screen: Screen, user_id: int, place: str) -> None:
        self._sessions = sessions
        self._screen = screen
        self._user_id = user_id
        self._place = place
        self.verbs: dict[str, Callable[[list[str]], Awaitable[None]]] = {
            "%undo": self._undo,
            "%redo": self._redo,
            "%checkpoint": self._checkpoint,
            "%branch": self._branch,
        }

    async def _undo(self, words: list[str]) -> None:
        cells = number_of_cells(" ".join(words)) if words else 1
        if not cells:
            raise CommandFailed(HOW_UNDO)
        self._screen.note(undone(await (await self._session()).undo(cells)))

    async def _redo(self, words: list[str]) -> None:
        if words:
            raise CommandFailed("%redo takes nothing: it takes the last undo back.")
        self._screen.note(undone(await (await self._session()).redo()))

    async def _checkpoint(self, words: list[str]) -> None:
        session = await self._session()
        match words:
            case [] | ["list"]:
                told = list_of_checkpoints(await session.checkpoints())
            case ["save", name]:
                told = kept(name, await session.checkpoint(name))
            case ["restore", name]:
                told = undone(await session.restore(name))
            case ["forget", name]:
                await session.forget_checkpoint(name)
                told = forgotten(name)
            case _:
                raise CommandFailed(HOW_CHECKPOINT)
        self._screen.note(told)

    async def _branch(self, words: list[str]) -> None:
        if len(words) > 1:
            raise CommandFailed(HOW_BRANCH)
        if not words:
            self._screen.note(list_of_branches(await self._sessions.branches(self._user_id, self._place)))
            return
        went = await go_to_branch(self._sessions, self._user_id, self._place, words[0])
        self._screen.note(begun(went.begun) if went.begun is not None else shown(went.name))

    async def _session(self) -> Session:
        return await self._sessions.session(self._user_id, self._place)
