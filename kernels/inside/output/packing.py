"""A kernel's messages as JSON that can always be sent.

jupyter_client's own packer raises at a lone surrogate (in a file's name that is not UTF-8, in half an emoji),
and with the message all text that was to go with it is lost. Here what UTF-8 cannot hold is escaped.
"""

import json
from typing import Any

from jupyter_client.jsonutil import json_clean, json_default

_ENCODER = json.JSONEncoder(default=json_default, ensure_ascii=False, allow_nan=False)


def pack(message: Any) -> bytes:
    """The message as JSON, in ASCII where it holds what UTF-8 cannot, or what JSON cannot, such as NaN."""
    try:
        return _ENCODER.encode(message).encode()
    except (TypeError, ValueError):
        return json.dumps(json_clean(message), default=json_default, allow_nan=False).encode()
