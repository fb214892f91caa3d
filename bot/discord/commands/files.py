"""A person's files as a list that only they see: pick one, then get, delete or extend it.

await FileList(desk).show(interaction)
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

import nextcord
from nextcord.ui import Button, Item, Select, View

from bot.discord.api.interactions import Interaction, defer, privately
from bot.discord.buttons.expiring import Passing, change, id_of
from bot.discord.buttons.view import BROKEN
from bot.discord.context import Desk
from bot.discord.format.attachments import Upload
from bot.discord.format.markdown import code_name
from bot.wording.error_messages import sentence
from filestore.errors import FileStoreError
from filestore.records import Cursor, FilePage, StoredFile
from kernels.text.clipping import human_size

__all__ = ["FileList", "get", "time_left"]

log = logging.getLogger(__name__)

PAGE = 25  # files that a select shows at most
OPEN = 14 * 60.0  # seconds that the list can be used, which is the life of its interaction
NONE = "You have no files. What you send, and what your cells write, is kept for a while and listed here."
TOO_LARGE = "{name} has {size}, more than Discord takes. In a cell, `load_file('{id}')` has it."


class FileList:
    """Shows one page after the other of the files of who asked."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def show(self, interaction: Interaction) -> None:
        """List them; the interaction was deferred, privately."""
        user = interaction.user
        if user is None:
            return
        try:
            page = await self._desk.sessions.list_user_files(user.id, limit=PAGE)
            used = await self._desk.sessions.files.used(user.id)
        except FileStoreError as error:
            await privately(interaction, sentence(error))
            return
        if not page.files:
            await privately(interaction, NONE)
            return
        view = _Listed(self._desk, user.id, page)
        quota = human_size(self._desk.settings.quota)
        text = (
            f"Your files, newest first. With what your cells have shown they take {human_size(used)} of"
            f" {quota}. Pick one."
        )
        view.shown(await privately(interaction, text, view=view))


class _Listed(Passing):
    """One page, one of its files picked or none."""

    def __init__(
        self, desk: Desk, user_id: int, page: FilePage, before: Sequence[Cursor | None] = ()
    ) -> None:
        super().__init__("files", OPEN)
        self._desk = desk
        self._user_id = user_id
        self._page = page
        self._before = tuple(before)  # the cursors of the pages that led here, this one's last
        self._picked: StoredFile | None = None
        self._select: Select[_Listed] = Select(
            custom_id=id_of("files", "file"), placeholder="Pick a file", options=_options(page.files)
        )
        self._select.callback = self._pick  # type: ignore[method-assign]
        self.add_item(self._select)
        for label, verb in (("Get", self._get), ("Delete", self._delete), ("Extend", self._extend)):
            self.add_item(_Act(label, verb))
        if self._before:
            self.add_item(_Act("Newer", self._newer))
        if page.next is not None:
            self.add_item(_Act("Older", self._older))

    async def on_error(self, error: Exception, item: Item["_Listed"], interaction: Interaction) -> None:
        log.error("a list of files failed at %s", item, exc_info=error)
        await privately(interaction, BROKEN)

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
        await get(self._desk, interaction, self._picked.file_id)

    async def _delete(self, interaction: Interaction) -> None:
        await self._do(interaction, self._desk.sessions.files.delete, "is deleted")

    async def _extend(self, interaction: Interaction) -> None:
        extend = self._desk.sessions.files.extend
        await self._do(interaction, extend, "stays for the whole time again, from now")

    async def _do(
        self, interaction: Interaction, verb: Callable[[str, int], Awaitable[object]], done: str
    ) -> None:
        await defer(interaction, message=False)
        if self._picked is None:
            await privately(interaction, "Pick a file first.")
            return
        try:
            await verb(self._picked.file_id, self._user_id)
        except FileStoreError as error:
            await privately(interaction, sentence(error))
            return
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
        """Show the last page of `_before`; of pages that are empty by now the one before them."""
        try:
            while not (page := await self._listed()).files and self._before:
                self._before = self._before[:-1]
        except FileStoreError as error:
            await privately(interaction, sentence(error))
            return
        self.end()
        view = _Listed(self._desk, self._user_id, page, self._before) if page.files else None
        if view is not None:
            await view.interaction_check(interaction)
        await self._change(interaction, text if view else f"{text} {NONE}", view)

    async def _listed(self) -> FilePage:
        after = self._before[-1] if self._before else None
        return await self._desk.sessions.list_user_files(self._user_id, limit=PAGE, after=after)

    async def _change(self, interaction: Interaction, text: str, view: View | None = None) -> None:
        shown = view if view is not None or self.ended else self
        await change(interaction, text, shown)


class _Act(Button[_Listed]):
    def __init__(self, label: str, verb: Callable[[Interaction], Awaitable[None]]) -> None:
        custom_id = id_of("files", label.casefold())
        super().__init__(label=label, style=nextcord.ButtonStyle.secondary, custom_id=custom_id)
        self._verb = verb

    async def callback(self, interaction: Interaction) -> None:
        await self._verb(interaction)


async def get(desk: Desk, interaction: Interaction, id_or_name: str) -> None:
    """Send a file to who asked, and to nobody else."""
    user = interaction.user
    if user is None:
        return
    try:
        found = await desk.sessions.files.find(id_or_name, user.id, "")
        if found.file_size > desk.limits.file:
            size = human_size(found.file_size)
            text = TOO_LARGE.format(name=code_name(found.filename), size=size, id=found.file_id)
            await privately(interaction, text)
            return
        loaded = await desk.sessions.load_file(found.file_id, user.id)
    except FileStoreError as error:
        await privately(interaction, sentence(error))
        return
    name = found.filename.rpartition("/")[2]
    await privately(interaction, f"`{found.file_id}`", uploads=[Upload(name, loaded.data)])


def time_left(file: StoredFile) -> str:
    """How long a file is kept, as Discord shows it in the reader's own time."""
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
