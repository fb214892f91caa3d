"""Messages of the chat: to whom they are, and the turn that each begins.

chat = Chat(desk, client)
await chat.on_message(message)
await chat.on_edit(message_id, content)
"""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import nextcord
from nextcord.abc import Messageable

from bot.codeblocks import code_of
from bot.delivery import Outgoing
from bot.failures import sentence
from bot.front.attachments import Received, receive, tell_of
from bot.front.calls import ONCE, Refused, attempt
from bot.front.desk import Desk
from bot.front.outlets import ChannelOutlet, DirectOutlet, Outlet
from bot.front.places import addressed, is_a_persons, place_in, said, title
from bot.front.turns import Turn, Wanted, begin
from filestore.errors import FileStoreError
from kernels.errors import KernelError

__all__ = ["Chat", "refusal"]

log = logging.getLogger(__name__)

REMEMBERED = 1000  # people and places whose last message is known
CLOSING = "I am being restarted. Please send this again in a moment."
HINT = (
    "Send me words, a file, or Python in a block:\n\\`\\`\\`py\nprint(1 + 1)\n\\`\\`\\`\n`/help` says more."
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A person's last message in a place, and the turn that it began."""

    message_id: int
    code: str
    wanted: Wanted
    turn: Turn
    outlets: Sequence[Outlet]
    at: float


class Chat:
    """See the module's text."""

    def __init__(self, desk: Desk, client: nextcord.Client) -> None:
        self._desk = desk
        self._client = client
        self._last: dict[tuple[int, int], Asked] = {}  # by channel and person
        self._coming: dict[int, str] = {}  # by message: what it says by now, until its turn begins
        self._edits: dict[int, str] = {}  # by message: the newest code, which waits for the turn before it

    async def on_message(self, message: nextcord.Message) -> None:
        """Answer a message, if a person has written it and it is for the bot."""
        me = self._client.user
        if me is None or not is_a_persons(message) or not addressed(message, me):
            return
        text = said(message.content, me)
        if reason := refusal(self._desk, message.author.id):
            if self._desk.rate.tells(message.author.id):  # once: others wait for what is said in a channel
                await _say(_reply(message), reason)
        elif not text and not message.attachments:
            await _say(_reply(message), HINT)
        else:
            self._coming[message.id] = text
            self._desk.spawn(self._answer(message), f"message {message.id}")

    async def on_edit(self, message_id: int, content: str) -> None:
        """Run the code of the person's last message again, as it is now, in place of its answer."""
        me = self._client.user
        if me is not None and message_id in self._coming:
            self._coming[message_id] = said(content, me)
            return
        found = next((key for key, asked in self._last.items() if asked.message_id == message_id), None)
        if me is None or found is None:
            return
        asked, code = self._last[found], code_of(said(content, me))
        waits = message_id in self._edits
        within = self._desk.settings.edit_within.total_seconds()
        if code is None or (code == asked.code and not waits) or self._desk.clock() - asked.at > within:
            return
        if waits:
            self._edits[message_id] = code
        elif reason := refusal(self._desk, asked.wanted.user_id):
            if self._desk.rate.tells(asked.wanted.user_id):
                await _say(asked.outlets[0], reason)
        else:
            self._edits[message_id] = code
            self._desk.spawn(self._again(found, asked), f"edit of message {message_id}")

    async def _answer(self, message: nextcord.Message) -> None:
        try:
            channel, place = await self._where(message, self._coming[message.id])
            reply_to = (message.channel.id, message.id) if channel is message.channel else None
            received = await self._receive(message, place, channel, reply_to)
        finally:
            text = self._coming.pop(message.id)
        if not text:
            return
        code = code_of(text)
        outlets: list[Outlet] = [
            ChannelOutlet(channel, reply_to),
            DirectOutlet(self._client, message.author.id),
        ]
        wanted = Wanted(
            message.author.id,
            message.author.display_name,
            place,
            code,
            text,
            received.cards,
            received.pictures,
        )
        turn = begin(self._desk, wanted, outlets)
        if code is not None:
            self._remember(message, Asked(message.id, code, wanted, turn, outlets, self._desk.clock()))

    async def _receive(
        self, message: nextcord.Message, place: str, channel: Messageable, reply_to: tuple[int, int] | None
    ) -> Received:
        if not message.attachments:
            return Received()
        await _type_in(channel)
        try:
            received = await receive(self._desk, message.author.id, place, message.attachments)
        except (FileStoreError, KernelError) as error:
            received = Received(notes=(f"Your files are not stored: {sentence(error)}.",))
        await tell_of(received, ChannelOutlet(channel, reply_to), self._desk.limits)
        return received

    async def _again(self, key: tuple[int, int], asked: Asked) -> None:
        try:
            await asked.turn.stop()
            post = await asked.turn.one_post()
        finally:  # from here on an edit is one of the new turn
            code = self._edits.pop(asked.message_id)
        wanted = asked.wanted.with_code(code)
        turn = begin(self._desk, wanted, asked.outlets, post)
        if self._last.get(key) is asked:
            self._last[key] = replace(asked, code=code, wanted=wanted, turn=turn)

    async def _where(self, message: nextcord.Message, text: str) -> tuple[Messageable, str]:
        """Where the answer goes, which may be a thread opened for it, and which place that is."""
        if await self._opens_thread(message):
            try:
                thread = await attempt(lambda: message.create_thread(name=title(text)))
            except Refused as refused:
                log.info("no thread could be opened: %s", refused)
            else:
                return thread, f"channel-{thread.id}"
        return message.channel, place_in(message)

    async def _opens_thread(self, message: nextcord.Message) -> bool:
        if message.guild is None or not isinstance(message.channel, nextcord.TextChannel):
            return False
        try:
            chosen = await self._desk.sessions.store.server_settings.get(message.guild.id)
        except FileStoreError:
            log.exception("the settings of server %d are not known", message.guild.id)
            chosen = {}
        return bool(chosen.get("answer_in", self._desk.settings.answer_in) == "thread")

    def _remember(self, message: nextcord.Message, asked: Asked) -> None:
        key = (message.channel.id, message.author.id)
        self._last.pop(key, None)
        self._last[key] = asked
        while len(self._last) > REMEMBERED:
            del self._last[next(iter(self._last))]


def refusal(desk: Desk, user_id: int) -> str | None:
    """Why nothing is begun for this person just now; a turn of theirs is counted if it may be."""
    if desk.closing:
        return CLOSING
    wait = desk.rate.take(user_id)
    if not wait:
        return None
    return f"That was a lot in one minute. I can take your next one in {math.ceil(wait)} s."


def _reply(message: nextcord.Message) -> Outlet:
    return ChannelOutlet(message.channel, (message.channel.id, message.id))


async def _say(outlet: Outlet, text: str) -> None:
    try:
        await outlet.send(Outgoing(text))
    except Refused as refused:
        log.info("a person was not told %r: %s", text, refused)


async def _type_in(channel: Messageable) -> None:
    """Show that somebody is at it, for the time until the first message."""
    try:
        await attempt(channel.trigger_typing, ONCE)
    except Refused as refused:
        log.debug("no typing is shown: %s", refused)
