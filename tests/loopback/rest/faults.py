"""Faults on demand, and the log of the bot's requests.

    fault = discord.faults.status("PATCH", "/channels/*/messages/*", 503, times=2)
    discord.faults.drop("POST", "/channels/*/messages", handled=True)   # it was posted, but nobody answers
    held = discord.faults.hold("POST", "/channels/*/messages"); await held.wait_for_hit(); held.release()
    discord.faults.too_many("PATCH", "*", retry_after=0.2, scope="shared")
    await discord.requests.wait_for("POST", "/channels/*/typing")

Patterns match the path without "/api/v10"; `*` stands for any text.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from tests.loopback.clock import WAIT, Watch
from tests.loopback.rest.ratelimits import refused

Json = dict[str, Any]


@dataclass(eq=False)
class Request:
    """One request of the bot and its answer; `status` is None until then, 0 if the connection was broken."""

    at: float
    method: str
    path: str
    route: str
    body: Any = None
    files: dict[int, tuple[str, bytes]] = field(default_factory=dict)
    status: int | None = None
    code: int | None = None
    answer: Any = None

    def line(self) -> str:
        """The request in one line."""
        return f"{self.method} {self.path} -> {self.status} {self.code or ''}".rstrip()


class Requests:
    """Every request, oldest first."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self.all: list[Request] = []

    def matching(self, method: str, path: str = "*") -> list[Request]:
        """Those with this method ("*": any) whose path fits the pattern."""
        return [r for r in self.all if method in ("*", r.method) and fnmatchcase(r.path, path)]

    async def wait_for(
        self,
        method: str,
        path: str = "*",
        predicate: Callable[[Request], object] = lambda _: True,
        timeout: float = WAIT,
    ) -> Request:
        """Wait for the first answered request that matches."""
        return await self._watch.until(
            lambda: next(
                (r for r in self.matching(method, path) if r.status is not None and predicate(r)), None
            ),
            f"a request {method} {path}",
            self.told,
            timeout,
        )

    def told(self) -> str:
        """The last fifty requests, a line each."""
        return "\n".join(f"  {request.line()}" for request in self.all[-50:])


@dataclass(eq=False)
class Fault:
    """What should happen to the next `times` requests that fit (None: to all of them)."""

    method: str
    path: str
    watch: Watch
    times: int | None = 1
    answer: tuple[int, Json | str, dict[str, str]] | None = None
    dropped: bool = False
    handled: bool = False  # whether the request still does its work
    seconds: float = 0.0
    held: bool = False
    hits: int = 0
    removed: bool = False
    _released: asyncio.Event = field(default_factory=asyncio.Event)

    def fits(self, method: str, path: str) -> bool:
        """Whether it is for this request."""
        if self.removed or (self.times is not None and self.hits >= self.times):
            return False
        return self.method in ("*", method) and fnmatchcase(path, self.path)

    async def strike(self) -> None:
        """Hit a request: wait for as long as it is to be delayed or held."""
        self.hits += 1
        self.watch.changed()
        if self.held:
            await self._released.wait()
        if self.seconds:
            await asyncio.sleep(self.seconds)

    def release(self) -> None:
        """Let held requests continue, and hold no more."""
        self.removed = True
        self._released.set()

    def remove(self) -> None:
        """Remove this fault."""
        self.removed = True

    async def wait_for_hit(self, times: int = 1, timeout: float = WAIT) -> None:
        """Wait until this many requests have been hit."""
        await self.watch.until(
            lambda: self.hits >= times, f"{self.method} {self.path}", lambda: f"  {self.hits} hits", timeout
        )


class Faults:
    """All faults; of several that fit a request, the one made first strikes."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._all: list[Fault] = []

    def status(
        self,
        method: str,
        path: str,
        status: int,
        *,
        code: int = 0,
        message: str = "Injected",
        times: int | None = 1,
        handled: bool = False,
    ) -> Fault:
        """Answer with a status; below 500 with Discord's JSON and `code`, above with a page of HTML."""
        body: Json | str = {"message": message, "code": code} if status < 500 else f"<html>{message}</html>"
        return self._add(Fault(method, path, self._watch, times, (status, body, {}), handled=handled))

    def too_many(
        self,
        method: str,
        path: str,
        *,
        retry_after: float = 0.1,
        scope: str = "user",
        via: bool = True,
        bare: bool = False,
        times: int | None = 1,
    ) -> Fault:
        """Answer 429; `scope` user, shared or global. A `bare` one is Cloudflare's: Retry-After and HTML."""
        headers = refused(retry_after, scope, via=via and not bare)
        if bare:
            headers = {"Retry-After": headers["Retry-After"]}
        body = {"message": "You are being rate limited.", "retry_after": retry_after, "code": 0}
        body["global"] = scope == "global"
        answer: tuple[int, Json | str, dict[str, str]] = (429, "<html>1015</html>" if bare else body, headers)
        return self._add(Fault(method, path, self._watch, times, answer))

    def drop(self, method: str, path: str, *, times: int | None = 1, handled: bool = False) -> Fault:
        """Break the connection instead of answering; if `handled`, after the request has done its work."""
        return self._add(Fault(method, path, self._watch, times, dropped=True, handled=handled))

    def delay(self, method: str, path: str, seconds: float, *, times: int | None = 1) -> Fault:
        """Handle the request this much later, in real seconds."""
        return self._add(Fault(method, path, self._watch, times, seconds=seconds, handled=True))

    def hold(self, method: str, path: str, *, times: int | None = 1) -> Fault:
        """Handle the request once the test calls `release()`."""
        return self._add(Fault(method, path, self._watch, times, held=True, handled=True))

    def _add(self, fault: Fault) -> Fault:
        self._all.append(fault)
        return fault

    def find(self, method: str, path: str) -> Fault | None:
        """The fault for this request."""
        return next((fault for fault in self._all if fault.fits(method, path)), None)

    def release_all(self) -> None:
        """Release all held requests, so that nobody waits at the end."""
        for fault in self._all:
            fault.release()
