"""Keeps what a kernel says to a size that the other end takes: it gives a kernel up that says more at once.

    clip.session(session)       # from now on no message of it is over LARGEST or MOST_VALUES
    clip.text(string)           # its head and tail

An honest cell gets there too, by `print("x" * 300_000_000)` or a picture of 60 MB. What is left out is told.
"""

from collections.abc import Callable
from typing import Any

LARGEST = 12 << 20  # bytes of one message's content; `kernels.wire.channel` takes 16 MiB
LONGEST = 2 << 20  # characters that are kept of one text: at most 6 bytes each in JSON
VALUE = LONGEST // 2  # characters that are kept of a value's text
MOST_VALUES = 100_000  # values in one message's content, as `kernels.wire.connection` takes them


def session(made: Any) -> None:
    """Clip all that a jupyter_client Session packs from now on."""
    made.pack = _clipping(made.pack)


def text(string: str, longest: int = LONGEST) -> str:
    """The string, or its head and tail with a line between them that says how much is missing."""
    if len(string) <= longest:
        return string
    half = longest // 2
    return f"{string[:half]}\n[... {len(string) - 2 * half:,} characters left out ...]\n{string[-half:]}"


def _clipping(pack: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    def clipped(content: Any) -> bytes:
        packed = pack(content)
        if _too_much(packed) and isinstance(content, dict):
            smaller = {key: _smaller(key, value) for key, value in content.items()}
            packed = pack({**smaller, "clipped": True})
            if _too_much(packed):
                packed = pack({"status": str(content.get("status"))[:10], "execution_count": None})
        return packed

    return clipped


def _too_much(packed: bytes) -> bool:
    """Whether the other end would not take it; it counts the marks between values as we do."""
    if len(packed) <= MOST_VALUES or len(packed) > LARGEST:
        return len(packed) > LARGEST
    plain = packed.replace(rb"\\", b"").replace(rb"\"", b"")  # so that each quote begins or ends a string
    outside = b"".join(plain.split(b'"')[::2])
    return sum(map(outside.count, (b",", b"[", b"{"))) > MOST_VALUES


def _smaller(key: str, value: Any) -> Any:
    if isinstance(value, str):
        return text(value)
    if key == "data" and isinstance(value, dict):
        value = {**value, "text/plain": text(value["text/plain"], VALUE)} if _has_text(value) else value
        large = [mime for mime, part in value.items() if _is_large(part)]
        told = [
            f"[{mime} left out: over {LARGEST >> 20} MB together, or {MOST_VALUES:,} values]"
            for mime in large
        ]
        kept = {mime: part for mime, part in value.items() if mime not in large}
        return kept | {"text/plain": "\n".join([str(kept.get("text/plain", "")), *told]).strip()}
    return (
        [text(line) if isinstance(line, str) else line for line in value[:100]]
        if key == "traceback"
        else value
    )


def _has_text(bundle: dict[str, Any]) -> bool:
    return isinstance(bundle.get("text/plain"), str)


def _is_large(part: Any) -> bool:
    return len(part) > LONGEST if isinstance(part, str) else len(repr(part)) > MOST_VALUES
