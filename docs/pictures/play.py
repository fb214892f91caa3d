"""Plays conversations with the real bot in a loopback Discord, and draws them.

    conversations = await play(data)
    draw(conversations["plot"], path)

The bot and its kernels are the ones that tests use; the model is a script. What differs from run to run (ids,
times, seconds, memory) is replaced by fixed values, so that a picture changes only when the bot does. Drawing
is left to `docs.pictures.drawing` on the kernels' Python: it has Pillow and fonts, and the bot needs neither.
"""

import base64
import json
import re
import subprocess
from pathlib import Path
from typing import Any

from docs.pictures import scenarios
from tests.discord.kernelcord import running
from tests.loopback.loopback import Discord, loopback
from tests.loopback.world.interactions import Interaction, Kind, Modal
from tests.loopback.world.messages import Message
from tests.model_server import ModelServer

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).parent
PYTHON = ROOT / ".venv-kernels" / "bin" / "python"
ID = re.compile(r"""(?:(?<=[`"])|(?<=\bid ))[2-9a-hjkmnp-z]{10}(?=[`"\\)])""")
IDS = ("k7m3q9x2va", "h4wd8ptn6c", "r2yb5gje9u", "c6nf4szt8k")
RECEIPT = re.compile(r"^-# (?:under )?[\d.]+ s(?: · ([\d.]+) MB)?", re.MULTILINE)
MUCH = 4  # MB, between what a small cell takes and what a plot does

Json = dict[str, Any]


class Story:
    """What to draw, in order; a message may be shown more than once.

    `ids` has the fixed id that replaces each random one, and grows: the stories of one bot share it.
    """

    def __init__(self, discord: Discord, ids: dict[str, str]) -> None:
        self._discord = discord
        self._ids = ids
        self._items: list[Json] = []
        self._minute = 1  # past 14:00

    def show(self, *messages: Message, opened: bool = False) -> None:
        """Show messages as they are now, their menus `opened` or not."""
        for message in messages:
            self._minute += not message.author.bot
            self._items.append(self._told(message) | {"opened": opened})

    def pause(self, text: str) -> None:
        """Note what happens between two messages."""
        self._items.append({"type": "pause", "text": text})

    def show_form(self, modal: Modal, *typed: str) -> None:
        """Show a form with what is typed into it."""
        fields = [
            {"label": label, "value": text} for (label, _), text in zip(modal.fields(), typed, strict=True)
        ]
        self._items.append({"type": "form", "title": modal.title, "fields": fields})

    def told(self) -> Json:
        """The conversation as `docs.pictures.drawing` takes it."""
        conversation = {
            "place": "# general",
            "names": {str(self._discord.bot.id): self._discord.bot.name},
            "items": self._items,
        }
        text = json.dumps(conversation, ensure_ascii=False)
        for found in ID.findall(text):
            if found not in self._ids and found not in self._ids.values():
                self._ids[found] = IDS[len(self._ids)]
        for found, steady in self._ids.items():
            text = text.replace(found, steady)
        told: Json = json.loads(text)
        return told

    def _told(self, message: Message) -> Json:
        return {
            "type": "message",
            "author": message.author.name,
            "bot": message.author.bot,
            "time": f"Today at 14:{self._minute:02}",
            "now": message.created,
            "content": _steady(message.content),
            "edited": message.edited is not None and message.interaction is None,
            "ephemeral": message.ephemeral,
            "reply": _reply(message.reference),
            "command": _command(message.interaction),
            "attachments": [
                {"name": one.filename, "data": base64.b64encode(one.data).decode()}
                for one in message.attachments
            ],
            "rows": [part["components"] for part in message.components],
        }


def _steady(text: str) -> str:
    """A text in which the receipt's time and memory are replaced by the same values in all runs."""

    def receipt(found: re.Match[str]) -> str:
        memory = "" if found[1] is None else " · 7.0 MB" if float(found[1]) > MUCH else " · 1.6 MB"
        return f"-# 0.2 s{memory}"

    return RECEIPT.sub(receipt, text)


def _reply(to: Message | None) -> Json | None:
    return to and {"author": to.author.name, "bot": to.author.bot, "content": _steady(to.content)}


def _command(interaction: Interaction | None) -> Json | None:
    """The command that a message answers, directly or through a form."""
    if interaction is None:
        return None
    first = interaction.source or interaction
    if first.kind is not Kind.COMMAND:
        return None
    return {"author": first.user.name, "name": first.data["name"]}


async def play(data: Path) -> dict[str, Json]:
    """Play each scenario; returns the conversations by name. The bot's folder is `data`."""
    told: dict[str, Json] = {}
    ids: dict[str, str] = {}
    async with (
        loopback() as discord,
        ModelServer.start() as server,
        running(discord, data, openai_base_url=server.base_url),
    ):
        for name, scenario in scenarios.ALL.items():
            story = Story(discord, ids)
            await scenario(discord, server, story)
            told[name] = story.told()
    return told


def draw(conversation: Json, path: Path) -> None:
    """Draw a conversation into a PNG. Raises: CalledProcessError."""
    command = [str(PYTHON), "-m", "docs.pictures.drawing", str(path)]
    subprocess.run(command, cwd=ROOT, input=json.dumps(conversation), text=True, check=True)
