"""The size of a picture, read from its first bytes: the bot decodes no pictures.

size_of(data)        # (640, 480), or None if it is not a PNG, JPEG, GIF or WebP

The package `imagesize` reads more kinds, but pictures come from strangers: it parses SVG as XML, and a JPEG
of 4 MB with a million segments keeps it busy for 0.7 s.
"""

import struct

__all__ = ["Size", "size_of"]

Size = tuple[int, int]  # width and height in pixels

SEGMENTS = 1000  # of a JPEG that are skipped; an ordinary one has a dozen
# Start-of-frame markers of JPEG: all from 0xC0 to 0xCF but the three that mean something else.
FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def size_of(data: bytes) -> Size | None:
    """Width and height in pixels."""
    try:
        if data.startswith(b"\x89PNG\r\n\x1a\n"):
            size = struct.unpack(">II", data[16:24])
        elif data.startswith((b"GIF87a", b"GIF89a")):
            size = struct.unpack("<HH", data[6:10])
        elif data.startswith(b"\xff\xd8"):
            size = _jpeg(data)
        elif data.startswith(b"RIFF") and data[8:12] == b"WEBP":
            size = _webp(data)
        else:
            return None
    except (struct.error, IndexError):  # cut off, or not a picture at all
        return None
    return (size[0], size[1]) if min(size) > 0 else None


def _jpeg(data: bytes) -> Size:
    at = 2
    for _ in range(SEGMENTS):
        if data[at + 1] in FRAMES:
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        at += 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
    raise IndexError


def _webp(data: bytes) -> Size:
    match data[12:16]:
        case b"VP8 ":
            width, height = struct.unpack("<HH", data[26:30])
            return width & 0x3FFF, height & 0x3FFF
        case b"VP8L":
            (bits,) = struct.unpack("<I", data[21:25])
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    wide, high = data[24:27], data[27:30]
    return int.from_bytes(wide, "little") + 1, int.from_bytes(high, "little") + 1
