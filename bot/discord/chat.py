"""Messages of the chat: to whom they are, and the turn that each begins.

chat = Chat(context, client)
await chat.on_message(message)
await chat.on_edit(message_id, content)
"""

import hashlib
import logging
import math
from dataclasses import dataclass, replace

import nextcord
from nextcord.abc import Messageable

from bot.discord.answers.turn import DiscordTurn, begin
from bot.discord.api.destinations import ChannelDestination, Destination, DirectDestination
from bot.discord.api.retry import ONCE, DiscordRefused, attempt
from bot.discord.context import Context
from bot.discord.format.attachments import Outgoing
from bot.discord.format.codeblocks import code_of
from bot.discord.places import addressed, is_a_persons, place_in, said, title
from bot.discord.uploads import Received, receive, tell_of
from bot.request import Request
from bot.wording.error_messages import clause
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
    """A person's last message in a place, and the turn that it began: ids, and nothing that was shown.

    `code` is a digest of the code that ran, `channel_id` where the answer goes, `at` when it was asked.
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
        self._last: dict[tuple[int, int], Asked] = {}  # by channel and person
        self._coming: dict[int, str] = {}  # by message: what it says by now, until its turn begins
        self._edits: dict[int, str] = {}  # by message: the newest code, which waits for the turn before it
        context.forgets.append(self._forget)

    async def on_message(self, message: nextcord.Message) -> None:
        """Answer a message, if a person has written it and it is for the bot."""
        me = self._client.user
        if me is None or not is_a_persons(message) or not addressed(message, me):
            return
        text = said(message.content, me)
        if reason := refusal(self._context, message.author.id):
            if self._context.rate.tells(message.author.id):  # once: others wait for what is said in a channel
                await _say(_reply(message), reason)
        elif not text and not message.attachments:
            await _say(_reply(message), HINT)
        else:
            self._coming[message.id] = text
            self._context.spawn(self._answer(message), f"message {message.id}")

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
        if code is None or (_digest(code) == asked.code and not waits) or self._is_old(asked):
            return
        if waits:
            self._edits[message_id] = code
        elif reason := refusal(self._context, asked.user_id):
            if self._context.rate.tells(asked.user_id):
                await _say((await self._destinations(asked))[0], reason)
        else:
            self._edits[message_id] = code
            self._context.spawn(self._again(found, asked), f"edit of message {message_id}")

    async def _answer(self, message: nextcord.Message) -> None:
        try:
            channel, channel_id, place = await self._where(message, self._coming[message.id])
            reply_to = (message.channel.id, message.id) if channel is message.channel else None
            received = await self._receive(message, place, channel, reply_to)
        finally:
            text = self._coming.pop(message.id)
        if not text:
            return
        code = code_of(text)
        destinations: list[Destination] = [
            ChannelDestination(channel, reply_to),
            DirectDestination(self._client, message.author.id),
        ]
        request = Request(
            message.author.id,
            message.author.display_name,
            place,
            code or "",
            words=text if code is None else None,
            cards=received.cards,
            pictures=received.pictures,
        )
        turn = begin(self._context, request, destinations)
        if code is not None:
            asked = Asked(
                message.id,
                channel_id,
                message.author.id,
                message.author.display_name,
                place,
                _digest(code),
                turn,
                self._context.clock(),
            )
            self._remember((message.channel.id, message.author.id), asked)

    async def _receive(
        self, message: nextcord.Message, place: str, channel: Messageable, reply_to: tuple[int, int] | None
    ) -> Received:
        if not message.attachments:
            return Received()
        await _type_in(channel)
        try:
            received = await receive(self._context, message.author.id, place, message.attachments)
        except (FileStoreError, KernelError) as error:
            received = Received(notes=(f"Your files are not stored: {clause(error)}.",))
        await tell_of(received, ChannelDestination(channel, reply_to), self._context.limits)
        return received

    async def _again(self, key: tuple[int, int], asked: Asked) -> None:
        try:
            await asked.turn.stop()
            message = await asked.turn.first_message()
            destinations = await self._destinations(asked)
        finally:  # from here on an edit is one of the new turn
            code = self._edits.pop(asked.message_id)
        request = Request(asked.user_id, asked.author, asked.place, code)
        turn = begin(self._context, request, destinations, message)
        if self._last.get(key) is asked:
            self._last[key] = replace(asked, code=_digest(code), turn=turn)

    async def _destinations(self, asked: Asked) -> list[Destination]:
        """Where an answer to this goes: where it went before, and else to its person."""
        direct = DirectDestination(self._client, asked.user_id)
        try:
            return [await self._context.channel(asked.channel_id, None), direct]
        except DiscordRefused as refused:
            log.info("the answer to message %d goes elsewhere: %s", asked.message_id, refused)
            return [direct]

    async def _where(self, message: nextcord.Message, text: str) -> tuple[Messageable, int, str]:
        """Where the answer goes, maybe a thread opened for it, with its id, and which place that is."""
        if await self._opens_thread(message):
            try:
                thread = await attempt(lambda: message.create_thread(name=title(text)))
            except DiscordRefused as refused:
                log.info("no thread could be opened: %s", refused)
            else:
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

    def _remember(self, key: tuple[int, int], asked: Asked) -> None:
        self._last.pop(key, None)
        self._last[key] = asked
        for oldest, other in list(self._last.items()):  # in the order in which they were asked
            if len(self._last) <= REMEMBERED and not self._is_old(other):
                break
            del self._last[oldest]

    def _is_old(self, asked: Asked) -> bool:
        """Whether an edit of the message comes too late."""
        return self._context.clock() - asked.at > self._context.settings.edit_within.total_seconds()

    def _forget(self, user_id: int) -> None:
        for key in [key for key, asked in self._last.items() if asked.user_id == user_id]:
            del self._last[key]


def _digest(code: str) -> bytes:
    return hashlib.sha256(code.encode("utf-8", "surrogatepass")).digest()


def refusal(context: Context, user_id: int) -> str | None:
    """Why nothing is begun for this person just now; a turn of theirs is counted if it may be."""
    if context.closing:
        return CLOSING
    wait = context.rate.take(user_id)
    if not wait:
        return None
    return f"That was a lot in one minute. I can take your next one in {math.ceil(wait)} s."


def _reply(message: nextcord.Message) -> Destination:
    return ChannelDestination(message.channel, (message.channel.id, message.id))


async def _say(destination: Destination, text: str) -> None:
    try:
        await destination.send(Outgoing(text))
    except DiscordRefused as refused:
        log.info("a person was not told %r: %s", text, refused)


async def _type_in(channel: Messageable) -> None:
    """Show that somebody is at it, for the time until the first message."""
    try:
        await attempt(channel.trigger_typing, ONCE)
    except DiscordRefused as refused:
        log.debug("no typing is shown: %s", refused)
