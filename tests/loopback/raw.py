"""Requests that nextcord would never make, straight to the loopback Discord."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.loopback.loopback import Discord
from tests.loopback.world.interactions import Interaction

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answered:
    """A response: `body` is None if there was none; `code` is Discord's error code, or 0."""

    status: int
    body: Any
    headers: Any

    @property
    def code(self) -> int:
        """Discord's error code."""
        return int(self.body["code"]) if isinstance(self.body, dict) and "code" in self.body else 0


class Raw:
    """The bot's token without a bot."""

    def __init__(self, discord: Discord, session: aiohttp.ClientSession) -> None:
        self.discord = discord
        self.session = session

    async def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        files: dict[int, tuple[str, bytes]] | None = None,
        token: str | None = None,
    ) -> Answered:
        """Make a request; with files, as a form."""
        headers = {"Authorization": f"Bot {token or self.discord.token}"}
        data: aiohttp.FormData | None = None
        if files:
            data = aiohttp.FormData(quote_fields=False)
            data.add_field("payload_json", json.dumps(body or {}))
            for number, (name, content) in files.items():
                data.add_field(f"files[{number}]", content, filename=name)
        async with self.session.request(
            method, self.discord.address + path, json=None if files else body, data=data, headers=headers
        ) as response:
            text = await response.text()
            plain = response.headers.get("Content-Type") != "application/json"
            return Answered(response.status, (text or None) if plain else json.loads(text), response.headers)

    async def register(self, *commands: Json) -> None:
        """Make these the global commands."""
        answer = await self("PUT", f"/applications/{self.discord.bot.id}/commands", list(commands))
        assert answer.status == 200, answer.body

    async def callback(
        self, interaction: Interaction, kind: int, data: Json | None = None, **form: Any
    ) -> Answered:
        """Answer an interaction."""
        body: Json = {"type": kind} | ({} if data is None else {"data": data})
        return await self(
            "POST", f"/interactions/{interaction.id}/{interaction.token}/callback", body, **form
        )

    async def follow(
        self, interaction: Interaction, method: str, rest: str = "", body: Any = None, **form: Any
    ) -> Answered:
        """A request by an interaction's token: "POST" a followup, "PATCH" "/messages/@original"."""
        path = f"/webhooks/{self.discord.bot.id}/{interaction.token}{rest}"
        return await self(method, path, body, **form)


@asynccontextmanager
async def raw_client(discord: Discord) -> AsyncIterator[Raw]:
    """A client for raw requests."""
    async with aiohttp.ClientSession() as session:
        yield Raw(discord, session)
