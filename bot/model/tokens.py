"""How many tokens a request will take, counted before it is sent and without a network.

tokens = request_tokens(system, history, tools, model="gpt-6.1-terra")
picture_tokens((1024, 1024), "gpt-4o")          # 765

Text is counted with OpenAI's newest public vocabulary, o200k; for other models that is an estimate. Pictures
are counted by the rules of https://developers.openai.com/api/docs/guides/images-vision#calculating-costs.
"""

import functools
import importlib
import json
import math
import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

from bot.model.conversation import ChatMessage, Item, Thought, Tool, ToolCall, ToolResult
from bot.model.picture_size import Size, size_of

__all__ = ["entry_tokens", "picture_tokens", "request_tokens", "text_tokens"]

PER_ENTRY = 4  # tokens around a message, for its role and its boundaries
CHUNK = 100_000  # characters; the limit of the vocabulary is in tokens, which have at least one character
LARGEST: Size = (2048, 2048)  # assumed for a picture of unknown size, behind a link


class Tiles(NamedTuple):
    """The picture fits 2,048 pixels, its short side 768; `base` tokens, and `each` for 512 by 512 pixels."""

    base: int
    each: int


class Patches(NamedTuple):
    """`each` tokens for 32 by 32 pixels, scaled down to at most `most` of them."""

    most: int
    each: float


# By the beginning of a model's name; the first match counts.
RULES: Sequence[tuple[str, Tiles | Patches]] = (
    ("gpt-4o-mini", Tiles(2833, 5667)),
    ("gpt-4.1-mini", Patches(1536, 1.62)),
    ("gpt-4.1-nano", Patches(1536, 2.46)),
    ("gpt-4", Tiles(85, 170)),
    ("o4-mini", Patches(1536, 1.72)),
    ("o1", Tiles(75, 150)),
    ("o3", Tiles(75, 150)),
    ("gpt-5-mini", Patches(1536, 1.62)),
    ("gpt-5-nano", Patches(1536, 2.46)),
    ("gpt-5.4-mini", Patches(1536, 1.62)),
    ("gpt-5.4-nano", Patches(1536, 2.46)),
    ("gpt-5.1", Tiles(70, 140)),
    ("gpt-5.2", Patches(1536, 1.2)),
    ("gpt-5.", Patches(2500, 1.2)),
    ("gpt-5", Tiles(70, 140)),
)
NEWEST = Patches(2500, 1.2)  # for models not named above; better too many than too few


def request_tokens(system: str, history: Sequence[Item], tools: Sequence[Tool], model: str) -> int:
    """Tokens of a request's input: text, tool definitions, pictures and linked pictures."""
    defined = sum(text_tokens(f"{t.name} {t.description} {json.dumps(t.parameters)}") for t in tools)
    return text_tokens(system) + PER_ENTRY + defined + sum(entry_tokens(entry, model) for entry in history)


def entry_tokens(entry: Item, model: str) -> int:
    """Tokens of one entry of the history."""
    match entry:
        case ChatMessage(text=text, pictures=pictures, links=links):
            seen = sum(picture_tokens(size_of(picture.data), model) for picture in pictures)
            return PER_ENTRY + text_tokens(text) + seen + len(links) * picture_tokens(None, model)
        case ToolCall(name=name, arguments=arguments):
            return PER_ENTRY + text_tokens(name) + text_tokens(arguments)
        case ToolResult(text=text, pictures=pictures):
            seen = sum(picture_tokens(size_of(picture.data), model) for picture in pictures)
            return PER_ENTRY + text_tokens(text) + seen
        case Thought(item=item):  # encrypted: about one token for four characters of Base64
            return len(json.dumps(item)) // 4


def text_tokens(text: str) -> int:
    """Tokens of a text."""
    encode = _encode()
    return sum(len(encode(text[start : start + CHUNK])) for start in range(0, len(text), CHUNK))


def picture_tokens(size: Size | None, model: str) -> int:
    """Tokens of a picture of `size`, which is width and height in pixels; None, not known, is the largest."""
    rule = next((rule for start, rule in RULES if model.startswith(start)), NEWEST)
    width, height = map(float, size or LARGEST)
    if isinstance(rule, Patches):
        return math.ceil(_patches(width, height, rule.most) * rule.each)
    fit = min(1.0, 2048 / max(width, height))
    width, height = width * fit, height * fit
    scale = min(1.0, 768 / min(width, height))
    tiles = math.ceil(width * scale / 512) * math.ceil(height * scale / 512)
    return rule.base + rule.each * tiles


def _patches(width: float, height: float, most: int) -> int:
    count = math.ceil(width / 32) * math.ceil(height / 32)
    if count <= most:
        return count
    scale = math.sqrt(32 * 32 * most / (width * height))
    across, down = width * scale / 32, height * scale / 32
    # The guide scales once more, so that one side has a whole number of patches.
    scale *= min(math.floor(across) / across, math.floor(down) / down) if min(across, down) >= 1 else 1
    return min(most, math.ceil(width * scale / 32 - 1e-9) * math.ceil(height * scale / 32 - 1e-9))


@functools.cache
def _encode() -> Callable[[str], list[int]]:
    """The vocabulary; loading it, at the first count, takes half a second."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of how it opens its own data
        encoding = importlib.import_module("bpe_openai").get_encoding("o200k_base")
    encode: Callable[[str], list[int]] = encoding.encode_ordinary
    return encode
