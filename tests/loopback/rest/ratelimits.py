"""Rate limits: a bucket for each route and major parameter, and one for everything.

https://docs.discord.com/developers/topics/rate-limits
"""

import hashlib
import math
import time
from dataclasses import dataclass
from typing import Any

from tests.loopback.clock import Clock
from tests.loopback.settings import Limits, Rate

VIA = {"Via": "1.1 google"}  # sent with Discord's own answers, but not with Cloudflare's
MAJOR = ("channel_id", "guild_id", "webhook_id", "webhook_token", "interaction_id", "interaction_token")
NOT_GLOBAL = ("/webhooks/", "/interactions/")


@dataclass
class Window:
    """The requests since the first one; it starts over when its time is up."""

    rate: Rate
    started: float = 0.0
    used: int = 0

    def take(self, now: float) -> float:
        """Count a request: 0, or the seconds to wait if there were too many."""
        if now >= self.started + self.rate.seconds:
            self.started, self.used = now, 0
        if self.used >= self.rate.requests:
            return self.started + self.rate.seconds - now
        self.used += 1
        return 0.0


@dataclass(frozen=True, slots=True)
class Taken:
    """What the limits say to a request: headers for its answer, and seconds to wait (0: allowed)."""

    headers: dict[str, str]
    wait: float = 0.0
    everywhere: bool = False

    def body(self) -> dict[str, Any]:
        """The JSON of a 429."""
        return {
            "message": "You are being rate limited.",
            "retry_after": round(self.wait, 3),
            "global": self.everywhere,
            "code": 0,
        }


class RateLimits:
    """All buckets."""

    def __init__(self, clock: Clock, limits: Limits) -> None:
        self._clock = clock
        self._limits = limits
        self._windows: dict[tuple[str, ...], Window] = {}
        self._all = Window(limits.every_request)

    def take(self, method: str, route: str, parameters: dict[str, str]) -> Taken:
        """Count a request against its bucket and against the global limit."""
        now = self._clock.now()
        if not route.startswith(NOT_GLOBAL) and (wait := self._all.take(now)):
            return Taken(refused(wait, "global"), wait, everywhere=True)
        if route.startswith("/interactions/"):
            return Taken({})  # a callback is not limited
        rate = self._limits.rates.get((method, route), self._limits.any_rate)
        key = (method, route, *(parameters.get(name, "") for name in MAJOR))
        window = self._windows.setdefault(key, Window(rate))
        wait = window.take(now)
        left = window.started + rate.seconds - now
        headers = {
            "X-RateLimit-Limit": str(rate.requests),
            "X-RateLimit-Remaining": str(rate.requests - window.used),
            "X-RateLimit-Reset": f"{time.time() + left:.3f}",  # real time: clients compare it
            "X-RateLimit-Reset-After": f"{left:.3f}",
            "X-RateLimit-Bucket": hashlib.sha256(f"{method} {route}".encode()).hexdigest()[:32],
        }
        return Taken(headers | refused(wait, "user"), wait) if wait else Taken(headers)


def refused(wait: float, scope: str, *, via: bool = True) -> dict[str, str]:
    """The headers that a 429 has in addition to those of its bucket."""
    headers = {"Retry-After": str(math.ceil(wait)), "X-RateLimit-Scope": scope}
    if scope == "global":
        headers["X-RateLimit-Global"] = "true"
    return headers | (VIA if via else {})
