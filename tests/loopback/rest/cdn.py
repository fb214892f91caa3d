"""Where attachments are served: signed addresses that stop working after a day or when their message goes."""

import hashlib
import hmac
import secrets
from urllib.parse import quote

from aiohttp import web

from tests.loopback.clock import Clock
from tests.loopback.settings import Limits
from tests.loopback.world.messages import Attachment
from tests.loopback.world.state import Channel

PATH = "/attachments/{channel_id}/{attachment_id}/{filename}"
GONE = "This content is no longer available."


class Cdn:
    """Makes the addresses and serves what they name; `address` is where the server listens."""

    def __init__(self, clock: Clock, limits: Limits, channels: dict[int, Channel]) -> None:
        self.address = ""
        self._clock = clock
        self._limits = limits
        self._channels = channels
        self._key = secrets.token_bytes(32)

    def _signed(self, attachment_id: str, expires: str) -> str:
        return hmac.new(self._key, f"{attachment_id} {expires}".encode(), hashlib.sha256).hexdigest()

    def url(self, channel: Channel, attachment: Attachment) -> str:
        """An address of an attachment, good from now on for `limits.url` seconds."""
        now = int(self._clock.now())
        expires = f"{int(now + self._limits.url):x}"
        path = f"/attachments/{channel.id}/{attachment.id}/{quote(attachment.filename)}"
        return f"{self.address}{path}?ex={expires}&is={now:x}&hm={self._signed(str(attachment.id), expires)}&"

    async def serve(self, request: web.Request) -> web.Response:
        """The bytes, or 404 as Discord's own CDN."""
        wanted, expires = request.match_info["attachment_id"], request.query.get("ex", "")
        right = hmac.compare_digest(self._signed(wanted, expires), request.query.get("hm", ""))
        if not right or int(expires, 16) < self._clock.now():
            return web.Response(status=404, text=GONE)
        channel = self._channels.get(int(request.match_info["channel_id"]))
        for message in channel.ever.values() if channel else ():
            for attachment in message.attachments:
                if str(attachment.id) == wanted and not message.deleted:
                    return web.Response(
                        body=attachment.data, headers={"Content-Type": attachment.content_type}
                    )
        return web.Response(status=404, text=GONE)
