"""Packs a kernel's messages as JSON that can always be sent.

jupyter_client's own packer raises at a lone surrogate (in a file name that is not UTF-8, in half an emoji),
and all text in the same message is lost. Here what UTF-8 cannot encode is escaped.
"""

import json
from json.encoder import c_make_encoder, encode_basestring  # type: ignore[attr-defined]
from typing import Any

from jupyter_client.jsonutil import json_clean, json_default

# `JSONEncoder(default=json_default, ensure_ascii=False, allow_nan=False).encode` makes one for each message,
# which takes as long as to write a small one.
_encode = c_make_encoder(None, json_default, encode_basestring, None, ": ", ", ", False, False, False)


def pack(message: Any) -> bytes:
    """The message as JSON, in ASCII if it contains what UTF-8 cannot encode, or JSON, such as NaN."""
    try:
        return "".join(_encode(message, 0)).encode()
    except (TypeError, ValueError):
        return json.dumps(json_clean(message), default=json_default, allow_nan=False).encode()
