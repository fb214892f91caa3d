"""Finds out in which encoding a text is.

    text = decode(source)           # notes the encoding in `source.assumed` where it had to be guessed
    found = encoding_of(data)       # found.name, found.sure

A byte order mark, valid UTF-8 and what a page or program declares are certain. Otherwise it is cp1252, which
Windows uses in western Europe and America, if that makes a plausible text, or else what charset-normalizer
finds.
"""

import codecs
import re
from importlib import import_module
from typing import NamedTuple

from .source import Source

__all__ = ["Encoding", "chosen", "decode", "encoding_of", "is_binary", "is_text"]

# Longer marks come first: that of UTF-32 starts like that of UTF-16.
BYTE_ORDER_MARKS = {
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
HEAD = 1 << 16  # bytes that are looked at, to see what kind of text it is
PIECE = 1 << 20  # bytes that are decoded at a time, to see whether they can be decoded
DECLARED = re.compile(
    rb"<\?xml[^>]{0,200}encoding=[\"']([\w.:-]+)"
    rb"|<meta[^>]{0,200}charset=[\"']?([\w.:-]+)"
    rb"|coding[:=][ \t]*([\w.-]+)"  # https://docs.python.org/3/reference/lexical_analysis.html#encoding-declarations
)
NO_ASCII = re.compile(rb"[\x80-\xff]")
CONTROLS = re.compile("[\x00-\x06\x0e-\x1a\x1c-\x1f\x7f]")  # not those of logs: bells, backspaces, colours
CONTROL_BYTES = bytes(byte for byte in range(32) if byte not in b"\a\b\t\n\v\f\r\x1b") + b"\x7f"
# The characters of cp1252 beyond ASCII that texts in western European languages use. The f with a hook is not
# among them: Japanese in Shift-JIS is full of it when read as cp1252.
WESTERN = frozenset(
    "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝÞßàáâãäåæçèéêëìíîïðñòóôõöøùúûüýþÿŠšŽžŒœŸ"
    "“”‘’„‚‹›«»–—…•·€£¥¢§°±²³¹µ¶©®™×÷¼½¾¿¡ªº´¨\xa0\xad‰†‡"
)
# Signs after which no word goes on: "£ódŸ" and "pi¹tek" are in another encoding.
NO_LETTER_AFTER = re.compile(r"[£¥¢¹²³¼½¾´¨©®™‰†‡•][a-zà-ÿ]|[a-zß-ÿ][¿¯£¥¢]")
TEXTUAL = 0.95  # of the bytes of a text, at least, must not be control characters
LONG_RUN, MEAN_RUN = 3, 1.5  # characters beyond ASCII in a row; in other scripts whole words consist of them
CANDIDATES = [
    *("cp1251", "gb18030", "cp932", "big5", "cp949", "euc_jp", "cp1250", "koi8_r"),
    *("cp1253", "cp1255", "cp1256", "cp1254", "cp1252", "mac_roman", "cp866"),
]
OFTEN_KOREAN = frozenset(  # a hundred of the commonest syllables of Korean
    "이다는의가을에고를은도로하한지기자사대어정시일인리나수보서전들해아게스라만부공제그장원있주성상거경무"
    "조동구소국년여실선치신우세면과했할것분내계관미신문김박최강윤임오유안음생중개모연방물금진산교육용명름격품"
)
MOSTLY = 0.4


class Encoding(NamedTuple):
    """The name of one of Python's codecs, and whether that is certain."""

    name: str
    sure: bool


def decode(source: Source) -> str:
    """The source as text, by the option `encoding` if it is given; `errors` is as in `bytes.decode`."""
    encoding = chosen(source)
    source.options.pop("encoding", None)
    errors = source.options.pop("errors", None) or "strict"
    return source.data.decode(encoding, errors)


def chosen(source: Source) -> str:
    """The encoding of the options, or else the one that is found, which is noted where it was guessed."""
    encoding: str | None = source.options.get("encoding")
    if encoding is None:
        encoding, sure = encoding_of(source.data)
        if not sure:
            source.assumed["encoding"] = f"the encoding {encoding}"
    return encoding


def encoding_of(data: bytes) -> Encoding:
    """The encoding of a text."""
    for mark, encoding in BYTE_ORDER_MARKS.items():
        if data.startswith(mark):
            return Encoding(encoding, sure=True)
    wide = _wide(data)
    if wide and _decodes(data, wide):
        return Encoding(wide, sure=False)
    if _decodes(data, "utf-8"):
        return Encoding("utf-8", sure=True)
    declared = _declared(data)
    if declared and _decodes(data, declared):
        return Encoding(declared, sure=True)
    sample = _sample(data)
    guesses = ["cp1252"] if _is_western(sample) else [*_guesses(sample), "cp1252"]
    found = next((one for one in guesses if _decodes(data, one)), "latin-1")  # which fits any bytes
    return Encoding(found, sure=False)


def is_text(data: bytes) -> bool:
    """Whether the first bytes are text: UTF-8 without control characters, or marked as another encoding."""
    if data.startswith(tuple(BYTE_ORDER_MARKS)) or _wide(data):
        return True
    head = data[:HEAD]
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head, final=len(data) <= HEAD)
    except UnicodeDecodeError:
        return False
    return not CONTROLS.search(text)


def is_binary(data: bytes) -> bool:
    """Whether it is not text in any encoding: at least one byte in twenty is a control character."""
    head = data[:HEAD]
    if head.startswith(tuple(BYTE_ORDER_MARKS)) or _wide(data):
        return False
    return len(head.translate(None, CONTROL_BYTES)) < TEXTUAL * len(head)


def _decodes(data: bytes, encoding: str) -> bool:
    """Whether all of the data is text in this encoding; only one piece at a time is decoded in memory."""
    try:
        decoder = codecs.getincrementaldecoder(encoding)()
        for start in range(0, len(data), PIECE):
            decoder.decode(data[start : start + PIECE])
        decoder.decode(b"", final=True)
    except (UnicodeError, LookupError):
        return False
    return True


def _wide(data: bytes) -> str:
    """Recognise UTF-16 without a byte order mark: most characters have a byte 0."""
    head = data[:HEAD]
    half = len(head) // 2
    if len(data) % 2 or half < 4 or b"\0" not in head:
        return ""
    first, second = head[0::2].count(0) / half, head[1::2].count(0) / half
    if second > MOSTLY and first < second / 10:
        return "utf-16-le"
    return "utf-16-be" if first > MOSTLY and second < first / 10 else ""


def _declared(data: bytes) -> str:
    found = DECLARED.search(data[:1024])
    return next((name for name in found.groups() if name), b"").decode("ascii") if found else ""


def _sample(data: bytes) -> bytes:
    """Whole lines that are not ASCII, up to 64 KB, from the first one on."""
    lines: list[bytes] = []
    size = 0
    first = NO_ASCII.search(data)
    start = data.rfind(b"\n", 0, first.start()) + 1 if first else 0
    for line in data[start : start + 16 * HEAD].split(b"\n"):
        if not line.isascii():
            lines.append(line[:HEAD])
            size += len(line)
        if size > HEAD:
            break
    return b"\n".join(lines) or data[:HEAD]


def _is_western(sample: bytes) -> bool:
    try:
        text = sample.decode("cp1252")
    except UnicodeDecodeError:
        return False
    runs = re.findall(r"[^\0-\x7f]+", text)
    if not runs or not all(WESTERN.issuperset(run) for run in runs) or NO_LETTER_AFTER.search(text):
        return False
    return max(map(len, runs)) <= LONG_RUN and sum(map(len, runs)) / len(runs) <= MEAN_RUN


def _guesses(sample: bytes) -> list[str]:
    """The encodings that charset-normalizer finds, the likeliest first."""
    try:
        found = import_module("charset_normalizer").from_bytes(sample, cp_isolation=CANDIDATES)
    except ImportError:  # where a bundle was unpacked it may be missing
        return []
    guesses = [match.encoding for match in found]
    if guesses and guesses[0] == "cp949" and not _is_korean(sample):
        guesses.remove("cp949")  # it cannot tell short texts in Korean, Japanese and Chinese apart
        if "euc_jp" in guesses and _has_kana(sample):
            guesses.insert(0, "euc_jp")
        elif "gb18030" in guesses:
            guesses.insert(0, "gb18030")
        guesses.append("cp949")
    return guesses


def _is_korean(sample: bytes) -> bool:
    """Whether the commonest syllables of Korean are as common in it as in any Korean text."""
    syllables = [letter for letter in sample.decode("cp949", "ignore") if "가" <= letter <= "힣"]
    return bool(syllables) and sum(map(OFTEN_KOREAN.__contains__, syllables)) >= MOSTLY * len(syllables)


def _has_kana(sample: bytes) -> bool:
    return any("ぁ" <= letter <= "ヶ" for letter in sample.decode("euc_jp", "ignore"))
