"""Reading a request's body: JSON, or a form of `payload_json` and `files[n]`."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from aiohttp import BodyPartReader, web

from tests.loopback.errors import Refusal
from tests.loopback.settings import Limits

FILE = re.compile(r"files\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Form:
    """What was sent: `body` as parsed JSON (None: nothing), files by their number."""

    body: Any = None
    files: dict[int, tuple[str, bytes]] = field(default_factory=dict)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise Refusal(50109) from None


async def read(request: web.Request, limits: Limits) -> Form:
    """The body of a request, read whole.

    Raises:
        Refusal: it is not JSON, or it or a file in it is too large
    """
    if request.content_type == "multipart/form-data":
        return await _multipart(request, limits)
    data = await request.read()
    if len(data) > limits.request:
        raise Refusal(40005)
    if not data:
        return Form()
    if request.content_type != "application/json":
        # nextcord sends such a form for `files=[]`.
        raise Refusal(50035, message=f"Expected JSON or a form with files, not {request.content_type}")
    return Form(_parsed(data.decode()))


async def _multipart(request: web.Request, limits: Limits) -> Form:
    body: Any = None
    files: dict[int, tuple[str, bytes]] = {}
    total = 0
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader):
            raise Refusal(50035, message="A form within a form")
        data = bytes(await part.read())
        total += len(data)
        if part.name == "payload_json":
            body = _parsed(data.decode())
        elif numbered := FILE.fullmatch(part.name or ""):
            files[int(numbered[1])] = (part.filename or "unknown", data)
        else:
            raise Refusal(50035, message=f"Unexpected part {part.name!r}")
    if total > limits.request or any(len(data) > limits.file for _, data in files.values()):
        raise Refusal(40005)
    return Form(body, dict(sorted(files.items())))
