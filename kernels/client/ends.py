"""The two ends of a link: its connection to the node, and its owner, who is told what comes from there."""

from typing import Any, Protocol

import aiohttp

__all__ = ["Connect", "Connected", "Owner"]

Fields = dict[str, Any]


class Connected(Protocol):
    """A websocket with the id of the node that it leads to, and how to fetch what is too large for it."""

    socket: aiohttp.ClientWebSocketResponse
    node_id: str

    async def fetch(self, number: int) -> Fields:
        """A piece of news by its number."""


class Connect(Protocol):
    """How to get a connection."""

    async def __call__(self, known: str) -> Connected:
        """A connection to the node of this id, or with "" to the one that there is.

        Raises: NodeGone when that node has ended; NodeUnavailable while it does not answer; NodeIncompatible.
        """


class Owner(Protocol):
    """Whose link it is."""

    @property
    def waits(self) -> bool:
        """Whether something of it runs in the node, or is to run there."""

    def greet(self, hello: Fields) -> None:
        """The node has said what it has of this session."""

    def take(self, news: Fields) -> None:
        """News, in order, each once."""

    def question(self, asked: Fields) -> None:
        """A cell asks for the person's stored files."""

    def out_of_reach(self) -> None:
        """The node does not answer. It may live, and what runs there goes on; told again at each attempt."""

    def given_up(self, error: BaseException) -> None:
        """It has not answered for so long that nobody should wait on."""

    def lost(self, reason: str) -> None:
        """The node is gone, with all that ran in it; what is sent from now on goes to the next."""

    def failed(self, error: BaseException) -> None:
        """There is no node, or not for us: nothing that was asked for will come."""
