"""A person's files in a list that only they see: pick one, then get, delete or extend it.

await FileList(context).show(interaction)
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

import nextcord
from nextcord.ui import Button, Select, View

from bot.discord.api.interactions import Interaction, defer, privately, user_of
from bot.discord.buttons.expiring import ExpiringView, change, id_of
from bot.discord.context import Context
from bot.discord.format.attachments import Upload
from bot.discord.format.markdown import code_name
from filestore.records import Cursor, FilePage, StoredFile
from kernels.text.clipping import human_size

__all__ = ["FileList", "get", "time_left"]

PAGE = 25  # files on a page, which is what a select can show
OPEN = 14 * 60.0  # seconds for which the list works, which is the life of its interaction
NONE = "You have no files. Files that you send or that your cells write are kept for a while and listed here."
TOO_LARGE = "{name} is too large for Discord ({size}). In a cell, `load_file('{id}')` loads it."


class FileList:
    """Shows the files of the person who asked, page by page."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def show(self, interaction: Interaction) -> None:
        """List them; the interaction was deferred privately. Raises: FileStoreError."""
        user = user_of(interaction)
        page = await self._context.sessions.list_user_files(user.id, limit=PAGE)
        used = await self._context.sessions.files.used(user.id)
        if not page.files:
            await privately(interaction, NONE)
            return
        view = _FileListView(self._context, user.id, page)
        quota = human_size(self._context.settings.quota)
        text = (
            f"Your files, newest first. With what your cells have shown, they take {human_size(used)} of"
            f" {quota}. Pick one."
        )
        view.shown(await privately(interaction, text, view=view))


class _FileListView(ExpiringView):
    """One page; one of its files may be picked."""

    def __init__(
        self, context: Context, user_id: int, page: FilePage, before: Sequence[Cursor | None] = ()
    ) -> None:
        super().__init__("files", OPEN)
        self._context = context
        self._user_id = user_id
        self._page = page
        self._before = tuple(before)  # the cursors of the pages up to this one
        self._picked: StoredFile | None = None
        self._select: Select[_FileListView] = Select(
            custom_id=id_of("files", "file"), placeholder="Pick a file", options=_options(page.files)
        )
        self._select.callback = self._pick  # type: ignore[method-assign]
        self.add_item(self._select)
        for label, verb in (("Get", self._get), ("Delete", self._delete), ("Extend", self._extend)):
            self.add_item(_FileButton(label, verb))
        if self._before:
            self.add_item(_FileButton("Newer", self._newer))
        if page.next is not None:
            self.add_item(_FileButton("Older", self._older))

    async def _pick(self, interaction: Interaction) -> None:
        await defer(interaction, message=False)
        chosen = self._select.values[0]
        self._picked = next(file for file in self._page.files if file.file_id == chosen)
        text = f"{code_name(self._picked.filename)} (`{chosen}`), {time_left(self._picked)}."
        await self._change(interaction, text)

    async def _get(self, interaction: Interaction) -> None:
        await defer(interaction, message=False)
        if self._picked is None:
            await privately(interaction, "Pick a file first.")
            return
        await get(self._context, interaction, self._picked.file_id)

    async def _delete(self, interaction: Interaction) -> None:
        await self._do(interaction, self._context.sessions.files.delete, "is deleted")

    async def _extend(self, interaction: Interaction) -> None:
        extend = self._context.sessions.files.extend
        await self._do(interaction, extend, "is kept for the whole time again, starting now")

    async def _do(
        self, interaction: Interaction, verb: Callable[[str, int], Awaitable[object]], done: str
    ) -> None:
        await defer(interaction, message=False)
        if self._picked is None:
            await privately(interaction, "Pick a file first.")
            return
        await verb(self._picked.file_id, self._user_id)
        name = code_name(self._picked.filename)
        await self._turn(interaction, f"{name} {done}.")

    async def _older(self, interaction: Interaction) -> None:
        await defer(interaction, message=False)
        self._before = (*self._before, self._page.next)
        await self._turn(interaction, "Older files.")

    async def _newer(self, interaction: Interaction) -> None:
        await defer(interaction, message=False)
        self._before = self._before[:-1]
        await self._turn(interaction, "Newer files.")

    async def _turn(self, interaction: Interaction, text: str) -> None:
        """Show the last page of `_before` that has files."""
        while not (page := await self._listed()).files and self._before:
            self._before = self._before[:-1]
        self.end()
        view = _FileListView(self._context, self._user_id, page, self._before) if page.files else None
        if view is not None:
            await view.interaction_check(interaction)
        await self._change(interaction, text if view else f"{text} {NONE}", view)

    async def _listed(self) -> FilePage:
        after = self._before[-1] if self._before else None
        return await self._context.sessions.list_user_files(self._user_id, limit=PAGE, after=after)

    async def _change(self, interaction: Interaction, text: str, view: View | None = None) -> None:
        shown = view if view is not None or self.ended else self
        await change(interaction, text, shown)


class _FileButton(Button[_FileListView]):
    def __init__(self, label: str, verb: Callable[[Interaction], Awaitable[None]]) -> None:
        custom_id = id_of("files", label.casefold())
        super().__init__(label=label, style=nextcord.ButtonStyle.secondary, custom_id=custom_id)
        self._verb = verb

    async def callback(self, interaction: Interaction) -> None:
        await self._verb(interaction)


async def get(context: Context, interaction: Interaction, id_or_name: str) -> None:
    """Send a file privately to the person who asked. Raises: FileStoreError."""
    user = user_of(interaction)
    found = await context.sessions.files.find(id_or_name, user.id, "")
    if found.file_size > context.limits.file:
        size = human_size(found.file_size)
        text = TOO_LARGE.format(name=code_name(found.filename), size=size, id=found.file_id)
        await privately(interaction, text)
        return
    loaded = await context.sessions.load_file(found.file_id, user.id)
    name = found.filename.rpartition("/")[2]
    await privately(interaction, f"`{found.file_id}`", uploads=[Upload(name, loaded.data)])


def time_left(file: StoredFile) -> str:
    """When a file expires, which Discord shows in the reader's own time."""
    return f"expires <t:{int(file.expires_at.timestamp())}:R>"


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
