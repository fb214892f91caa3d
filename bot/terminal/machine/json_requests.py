"""Requests of the machine interface, as lines of JSON.

request = parsed(b'{"user": 1, "code": "1 + 1"}')
code = text_of(request, "code")
"""

import json
from typing import Any

from kernels.text.clipping import human_size, repair

__all__ = ["LONGEST", "PATHS", "BadRequest", "Line", "parsed", "text_of"]

LONGEST = 32 * 1024 * 1024  # bytes of one request line: the largest cell as JSON, and some more
SHORT = 64 * 1024  # bytes of a line that cannot cost much
MOST_PARTS = 10_000  # values and names in a longer line
PATHS = {"upload", "notebook", "bundle", "replay"}  # not repaired: that would be the path of another file
Line = dict[str, Any]


class BadRequest(ValueError):
    """A line is not a request. The text says why; `request` is what could be read of it."""

    def __init__(self, why: str, request: Line | None = None) -> None:
        super().__init__(why)
        self.request = request or {}


def parsed(line: bytes) -> Line:
    """The request in a line; its `user` is checked, and what it says is not. Raises: BadRequest."""
    if len(line) == LONGEST and not line.endswith(b"\n"):
        raise BadRequest(
            f"a line has at most {human_size(LONGEST)}: put data into a file, and name it in an upload"
        )
    if len(line) > SHORT and _parts(line) > MOST_PARTS:
        raise BadRequest(
            f"a line has at most {MOST_PARTS:,} values: put data into a file, and name it in an upload"
        )
    try:
        request = json.loads(line)
        if isinstance(request, dict):
            request = {key: value if key in PATHS else repair(value) for key, value in request.items()}
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"not a line of JSON: {error}") from None
    if not isinstance(request, dict):
        raise BadRequest('a request is an object, such as {"user": 1, "code": "1 + 1"}')
    user = request.get("user", 1)
    if not isinstance(user, int) or isinstance(user, bool) or not 0 <= user < 2**63:
        request = {key: value for key, value in request.items() if key == "id"}
        raise BadRequest("user is a whole number, 0 or more", request)
    return request


def text_of(request: Line, key: str) -> str:
    """The request's text of this name. Raises: BadRequest if it is none, or missing."""
    value = request.get(key)
    if not isinstance(value, str):
        raise BadRequest(f"{key} is a text")
    return value


def _parts(line: bytes) -> int:
    """How many values and names a line of JSON has at most, without making them: 2 bytes can become 100."""
    bare = line.replace(b"\\\\", b"").replace(b'\\"', b"")  # leaves only the quotation marks around texts
    texts = bare.count(b'"') // 2
    if texts > MOST_PARTS:
        return texts
    outside = bare.split(b'"')[::2]
    return texts + sum(piece.count(mark) for piece in outside for mark in (b",", b"[", b"{"))
