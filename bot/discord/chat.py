"""Messages of the chat: which of them are for the bot, and the turn that each begins."""

import asyncio
import hashlib
import logging
from dataclasses import dataclass, replace

import nextcord
from nextcord.abc import Messageable

from bot.discord.answers.turn import DiscordTurn, begin
from bot.discord.api.destinations import ChannelDestination, Destination
from bot.discord.api.retry import ONCE, DiscordRefused, attempt, unless_refused
from bot.discord.api.speaking import MAY_NOT
from bot.discord.context import CLOSING, Context
from bot.discord.format.attachments import Outgoing
from bot.discord.format.codeblocks import code_of
from bot.discord.places import addressed, is_a_persons, place_in, said, title
from bot.discord.uploads import receive
from bot.request import Request
from filestore.errors import FileStoreError

__all__ = ["Chat"]

log = logging.getLogger(__name__)

REMEMBERED = 1000  # people and channels whose last message is known
HINT = (
    "Send me words, a file, or Python in a block:\n\\`\\`\\`py\nprint(1 + 1)\n\\`\\`\\`\n`/help` says more."
)


@dataclass(frozen=True, slots=True)
class LastMessage:
    """A person's last message with code in a channel, and the turn that it began: ids, not what was shown.

    `code` is a digest of the code that ran, `channel_id` is where the answer goes, and `at` is when it was
    asked, by the context's clock.
    """

    message_id: int
    channel_id: int
    user_id: int
    author: str
    place: str
    code: bytes
    turn: DiscordTurn
    at: float


class Chat:
    """See the module's text."""

    def __init__(self, context: Context, client: nextcord.Client) -> None:
        self._context = context
        self._client = client
        self._last: dict[tuple[int, int], LastMessage] = {}  # by channel and person
        self._coming: dict[int, str] = {}  # by message: its text as edited so far, until its turn begins
        self._edits: dict[int, str] = {}  # by message: the newest code, which waits for the turn before it

    async def on_message(self, message: nextcord.Message) -> None:
        """Answer a message if a person wrote it and it is for the bot."""
        me = self._client.user
        if me is None or not is_a_persons(message) or not addressed(message, me):
            return
        text = said(message.content, me)
        if reason := self._context.refusal(message.author.id):
            if not self._context.refusals.take_turn(message.author.id):
                await _say(_reply(message), reason)
        elif not text and not message.attachments:
            await _say(_reply(message), HINT)
        else:
            self._coming[message.id] = text
            self._context.tasks.spawn(self._answer(message), f"message {message.id}")

    async def on_edit(self, message_id: int, content: str) -> None:
        """Run the edited code of a person's last message, in place of its answer."""
        me = self._client.user
        if me is not None and message_id in self._coming:
            self._coming[message_id] = said(content, me)
            return
        found = next((key for key, last in self._last.items() if last.message_id == message_id), None)
        if me is None or found is None:
            return
        last, code = self._last[found], code_of(said(content, me))
        waits = message_id in self._edits
        if code is None or (_digest(code) == last.code and not waits) or self._is_old(last):
            return
        if waits:
            self._edits[message_id] = code
        elif reason := self._context.refusal(last.user_id):
            if not self._context.refusals.take_turn(last.user_id):
                await _say((await self._destinations(last))[0], reason)
        else:
            self._edits[message_id] = code
            self._context.tasks.spawn(self._answer_again(found, last), f"edit of message {message_id}")

    def forget_person(self, user_id: int) -> None:
        """Forget this person's last messages."""
        for key in [key for key, last in self._last.items() if last.user_id == user_id]:
            del self._last[key]

    async def _answer(self, message: nextcord.Message) -> None:
        try:
            channel, channel_id, place = await self._where(message, self._coming[message.id])
            reply_to = (message.channel.id, message.id) if channel is message.channel else None
            if message.attachments:
                await _type_in(channel)
            cards_to = ChannelDestination(channel, reply_to)
            received = await receive(self._context, message.author.id, place, message.attachments, cards_to)
        except asyncio.CancelledError:
            if self._context.closing:  # its files waited for their turn, and nobody will take it up again
                await _say(_reply(message), CLOSING)
            raise
        finally:
            text = self._coming.pop(message.id)
        if not text:
            return
        code = code_of(text)
        author, now = message.author, self._context.clock()
        direct = self._context.destinations.direct(author.id)
        request = received.request(author, place, code, text)
        turn = begin(self._context, request, [ChannelDestination(channel, reply_to), direct])
        if code is not None:
            last = LastMessage(
                message.id, channel_id, author.id, author.display_name, place, _digest(code), turn, now
            )
            self._remember((message.channel.id, author.id), last)

    async def _answer_again(self, key: tuple[int, int], last: LastMessage) -> None:
        try:
            if not await self._context.destinations.may_write(last.user_id, last.channel_id):
                await _say(self._context.destinations.direct(last.user_id), MAY_NOT)
                return
            await last.turn.stop()
            message = await last.turn.first_message()
            destinations = await self._destinations(last)
        finally:  # from here on an edit is one of the new turn
            code = self._edits.pop(last.message_id)
        request = Request(last.user_id, last.author, last.place, code)
        turn = begin(self._context, request, destinations, message)
        if self._last.get(key) is last:
            self._last[key] = replace(last, code=_digest(code), turn=turn)

    async def _destinations(self, last: LastMessage) -> list[Destination]:
        """Where to answer this message: where it was answered before, or else directly to its person."""
        direct = self._context.destinations.direct(last.user_id)
        with unless_refused("the answer to message %d goes somewhere else", last.message_id):
            return [await self._context.destinations.channel(last.channel_id), direct]
        return [direct]

    async def _where(self, message: nextcord.Message, text: str) -> tuple[Messageable, int, str]:
        """The channel of the answer, which may be a thread opened for it; its id; and its place."""
        if await self._opens_thread(message):
            with unless_refused("no thread could be opened"):
                thread = await attempt(lambda: message.create_thread(name=title(text)))
                return thread, thread.id, f"channel-{thread.id}"
        return message.channel, message.channel.id, place_in(message)

    async def _opens_thread(self, message: nextcord.Message) -> bool:
        if message.guild is None or not isinstance(message.channel, nextcord.TextChannel):
            return False
        try:
            chosen = await self._context.sessions.store.server_settings.get(message.guild.id)
        except FileStoreError:
            log.exception("the settings of server %d are not known", message.guild.id)
            chosen = {}
        return bool(chosen.get("answer_in", self._context.settings.answer_in) == "thread")

    def _remember(self, key: tuple[int, int], last: LastMessage) -> None:
        self._last.pop(key, None)
        self._last[key] = last
        for oldest, other in list(self._last.items()):  # in the order in which they were asked
            if len(self._last) <= REMEMBERED and not self._is_old(other):
                break
            del self._last[oldest]

    def _is_old(self, last: LastMessage) -> bool:
        """Whether an edit of the message comes too late."""
        return self._context.clock() - last.at > self._context.settings.edit_within.total_seconds()


def _digest(code: str) -> bytes:
    return hashlib.sha256(code.encode("utf-8", "surrogatepass")).digest()


def _reply(message: nextcord.Message) -> Destination:
    return ChannelDestination(message.channel, (message.channel.id, message.id))


async def _say(destination: Destination, text: str) -> None:
    with unless_refused("a person was not told %r", text):
        await destination.send(Outgoing(text))


async def _type_in(channel: Messageable) -> None:
    """Show the bot as typing until its first message."""
    try:
        await attempt(channel.trigger_typing, ONCE)
    except DiscordRefused as refused:
        log.debug("the bot is not shown as typing: %s", refused)
