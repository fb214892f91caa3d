"""Clips a kernel's messages to a size that the other end accepts; it gives up a kernel that sends more.

    clip.session(session)       # from now on no message of it is over LARGEST or MOST_VALUES
    clip.text(string)           # its head and tail

Honest cells reach these limits too, by `print("x" * 300_000_000)` or a picture of 60 MB. The message says
what was left out.
"""

from collections.abc import Callable
from typing import Any

LARGEST = 12 << 20  # bytes of one message's content; `kernels.wire.channel` accepts 16 MiB
LONGEST = 2 << 20  # characters that are kept of one text: at most 6 bytes each in JSON
VALUE = LONGEST // 2  # characters that are kept of a value's text
MOST_VALUES = 100_000  # values in one message's content, the most that `kernels.wire.connection` accepts


def session(made: Any) -> None:
    """Clip every message that a Session of jupyter_client packs from now on."""
    made.pack = _clipping(made.pack)


def text(string: str, longest: int = LONGEST) -> str:
    """The string, or its head and tail and between them a line that says how much is missing."""
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
    """Whether the other end would refuse it; it counts the marks between values in the same way."""
    if len(packed) <= MOST_VALUES or len(packed) > LARGEST:
        return len(packed) > LARGEST
    # Without escapes each quotation mark begins or ends a string.
    plain = packed.replace(rb"\\", b"").replace(rb"\"", b"")
    outside = b"".join(plain.split(b'"')[::2])
    return sum(map(outside.count, (b",", b"[", b"{"))) > MOST_VALUES


def _smaller(key: str, value: Any) -> Any:
    if isinstance(value, str):
        return text(value)
    if key == "data" and isinstance(value, dict):
        value = {**value, "text/plain": text(value["text/plain"], VALUE)} if _has_text(value) else value
        large = [mime for mime, part in value.items() if _is_large(part)]
        why = f"left out: over {LARGEST >> 20} MB together, or {MOST_VALUES:,} values"
        told = [f"[{mime} {why}]" for mime in large]
        kept = {mime: part for mime, part in value.items() if mime not in large}
        return kept | {"text/plain": "\n".join([str(kept.get("text/plain", "")), *told]).strip()}
    if key == "traceback":
        return [text(line) if isinstance(line, str) else line for line in value[:100]]
    return value


def _has_text(bundle: dict[str, Any]) -> bool:
    return isinstance(bundle.get("text/plain"), str)


def _is_large(part: Any) -> bool:
    return len(part) > LONGEST if isinstance(part, str) else len(repr(part)) > MOST_VALUES
