"""A person's files in a list that only they see: pick one, then get, delete or extend it."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import partial

import nextcord
from nextcord.ui import Select

from bot.discord.api.interactions import Interaction, privately, user_of
from bot.discord.buttons.expiring import ExpiringView, change, id_of
from bot.discord.buttons.view import SECONDARY, Action, ActionButton
from bot.discord.context import Context
from bot.discord.format.attachments import Upload
from bot.discord.format.markdown import code_name
from filestore.records import Cursor, FilePage, StoredFile
from kernels.text.clipping import human_size

__all__ = ["get", "show_files"]

PAGE = 25  # files on a page, which is what a select can show
NONE = "You have no files. Files that you send or that your cells write are kept for a while and listed here."
Cursors = tuple[Cursor | None, ...]  # of the pages up to the one that is shown
TOO_LARGE = "{name} is too large for Discord ({size}). In a cell, `load_file('{id}')` loads it."


async def show_files(context: Context, interaction: Interaction) -> None:
    """List the files of the person who asked, whose interaction was deferred. Raises: FileStoreError."""
    user_id = user_of(interaction).id
    page = await context.sessions.list_user_files(user_id, limit=PAGE)
    used = await context.sessions.files.used(user_id)
    if not page.files:
        await privately(interaction, NONE)
        return
    view = _FileListView(context, user_id, page)
    text = (
        f"Your files, newest first. With what your cells have shown, they take {human_size(used)} of"
        f" {human_size(context.settings.quota)}. Pick one."
    )
    view.shown(await privately(interaction, text, view=view))


class _FileListView(ExpiringView):
    """One page; one of its files may be picked."""

    def __init__(self, context: Context, user_id: int, page: FilePage, cursors: Cursors = (None,)) -> None:
        super().__init__("files", context.bounds.list_open)
        self._context = context
        self._user_id = user_id
        self._page = page
        self._cursors = cursors
        self._picked: StoredFile | None = None
        self._select: Select[_FileListView] = Select(
            custom_id=id_of("files", "file"), placeholder="Pick a file", options=_options(page.files)
        )
        self._select.callback = self._pick  # type: ignore[method-assign]
        self.add_item(self._select)
        files = context.sessions.files
        verbs: dict[str, Action] = {
            "Get": self._get,
            "Delete": partial(self._do, files.delete, "is deleted"),
            "Extend": partial(self._do, files.extend, "is kept for the whole time again, starting now"),
        }
        if len(cursors) > 1:
            verbs["Newer"] = partial(self._turn, cursors[:-1], "Newer files.")
        if page.next is not None:
            verbs["Older"] = partial(self._turn, (*cursors, page.next), "Older files.")
        for label, verb in verbs.items():
            self.add_item(ActionButton(f"files:{label.casefold()}", label, SECONDARY, verb))

    async def _pick(self, interaction: Interaction) -> None:
        chosen = self._select.values[0]
        self._picked = next(file for file in self._page.files if file.file_id == chosen)
        expires = f"<t:{int(self._picked.expires_at.timestamp())}:R>"  # in the reader's own time
        text = f"{code_name(self._picked.filename)} (`{chosen}`), expires {expires}."
        await change(interaction, text, None if self.ended else self)

    async def _get(self, interaction: Interaction) -> None:
        if (file := await self._needed(interaction)) is not None:
            await get(self._context, interaction, file.file_id)

    async def _do(
        self, verb: Callable[[str, int], Awaitable[object]], done: str, interaction: Interaction
    ) -> None:
        if (file := await self._needed(interaction)) is not None:
            await verb(file.file_id, self._user_id)
            await self._turn(self._cursors, f"{code_name(file.filename)} {done}.", interaction)

    async def _needed(self, interaction: Interaction) -> StoredFile | None:
        """The picked file; if there is none, the person is told to pick one."""
        if self._picked is None:
            await privately(interaction, "Pick a file first.")
        return self._picked

    async def _turn(self, cursors: Cursors, text: str, interaction: Interaction) -> None:
        """Show the last of these pages that has files."""
        listed = partial(self._context.sessions.list_user_files, self._user_id, limit=PAGE)
        while not (page := await listed(after=cursors[-1])).files and len(cursors) > 1:
            cursors = cursors[:-1]
        self.end()
        view = _FileListView(self._context, self._user_id, page, cursors) if page.files else None
        if view is not None:
            view.used = interaction
        await change(interaction, text if view else f"{text} {NONE}", view)


async def get(context: Context, interaction: Interaction, id_or_name: str) -> None:
    """Send a file privately to the person who asked. Raises: FileStoreError."""
    user_id = user_of(interaction).id
    found = await context.sessions.files.find(id_or_name, user_id, "")
    if found.file_size > context.limits.file:
        size = human_size(found.file_size)
        text = TOO_LARGE.format(name=code_name(found.filename), size=size, id=found.file_id)
        await privately(interaction, text)
        return
    name = found.filename.rpartition("/")[2]
    async with context.sending.one(user_id):  # clicks are not counted as turns
        loaded = await context.sessions.load_file(found.file_id, user_id)
        await privately(interaction, f"`{found.file_id}`", uploads=[Upload(name, loaded.data)])


def _options(files: Sequence[StoredFile]) -> list[nextcord.SelectOption]:
    return [
        nextcord.SelectOption(
            label=file.filename[-100:],
            value=file.file_id,
            description=f"{file.file_id}, {file.file_type}, {human_size(file.file_size)}, {_hours(file)}",
        )
        for file in files
    ]


def _hours(file: StoredFile) -> str:
    left = (file.expires_at - datetime.now(UTC)).total_seconds()
    hours = round(left / 3600)
    return f"{hours} h left" if hours > 0 else "under an hour left"
