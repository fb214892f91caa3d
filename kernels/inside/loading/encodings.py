"""In which encoding a text is, as far as its bytes tell.

    text = decode(source)           # notes the encoding in `source.assumed` where it had to be guessed
    found = encoding_of(data)       # found.name, found.sure

A byte order mark, valid UTF-8 and what a page or program declares are certain. Else: cp1252, which Windows
writes in western Europe and America, where it makes a plausible text; then what charset-normalizer finds.
"""

import codecs
import re
from importlib import import_module
from typing import NamedTuple

from .source import Source

__all__ = ["Encoding", "decode", "encoding_of", "is_binary", "is_text"]

# The longer mark first: that of UTF-32 starts as that of UTF-16 does.
BYTE_ORDER_MARKS = {
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
HEAD = 1 << 16  # bytes by which a kind of text is told
PIECE = 1 << 20  # bytes that are decoded at a time, to see whether they can be
DECLARED = re.compile(
    rb"<\?xml[^>]{0,200}encoding=[\"']([\w.:-]+)"
    rb"|<meta[^>]{0,200}charset=[\"']?([\w.:-]+)"
    rb"|coding[:=][ \t]*([\w.-]+)"  # https://docs.python.org/3/reference/lexical_analysis.html#encoding-declarations
)
NO_ASCII = re.compile(rb"[\x80-\xff]")
CONTROLS = re.compile("[\x00-\x06\x0e-\x1a\x1c-\x1f\x7f]")  # logs have bells, backspaces, colours
CONTROL_BYTES = bytes(byte for byte in range(32) if byte not in b"\a\b\t\n\v\f\r\x1b") + b"\x7f"
# What text in western European languages has of cp1252 beyond ASCII. No f with a hook, which Japanese in
# Shift-JIS is full of when it is read so.
WESTERN = frozenset(
    "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝÞßàáâãäåæçèéêëìíîïðñòóôõöøùúûüýþÿŠšŽžŒœŸ"
    "“”‘’„‚‹›«»–—…•·€£¥¢§°±²³¹µ¶©®™×÷¼½¾¿¡ªº´¨\xa0\xad‰†‡"
)
# Signs that no word goes on after: in "£ódŸ" or "pi¹tek" another encoding shows.
NO_LETTER_AFTER = re.compile(r"[£¥¢¹²³¼½¾´¨©®™‰†‡•][a-zà-ÿ]|[a-zß-ÿ][¿¯£¥¢]")
TEXTUAL = 0.95  # of the bytes of a text, at least, are no control characters
LONG_RUN, MEAN_RUN = 3, 1.5  # characters beyond ASCII in a row: in other scripts a whole word is
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
    """The name of a codec of Python, and whether the file itself says so."""

    name: str
    sure: bool


def decode(source: Source) -> str:
    """The source as text. The option `encoding` decides, and `errors` says what happens to other bytes."""
    encoding = source.options.pop("encoding", None)
    errors = source.options.pop("errors", None) or "strict"
    if encoding is None:
        found = encoding_of(source.data)
        encoding = found.name
        if not found.sure:
            source.assumed["encoding"] = f"the encoding {encoding}"
    return source.data.decode(encoding, errors)


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
    """Whether the first bytes read as text: without a byte order mark, as UTF-8 and without controls."""
    if data.startswith(tuple(BYTE_ORDER_MARKS)) or _wide(data):
        return True
    head = data[:HEAD]
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head, final=len(data) <= HEAD)
    except UnicodeDecodeError:
        return False
    return not CONTROLS.search(text)


def is_binary(data: bytes) -> bool:
    """Whether it is no text in any encoding: one byte in twenty, or more, is a control character."""
    head = data[:HEAD]
    if head.startswith(tuple(BYTE_ORDER_MARKS)) or _wide(data):
        return False
    return len(head.translate(None, CONTROL_BYTES)) < TEXTUAL * len(head)


def _decodes(data: bytes, encoding: str) -> bool:
    """Whether all of the data is text in this encoding; no more of it than a piece is in memory at a time."""
    try:
        decoder = codecs.getincrementaldecoder(encoding)()
        for start in range(0, len(data), PIECE):
            decoder.decode(data[start : start + PIECE])
        decoder.decode(b"", final=True)
    except (UnicodeError, LookupError):
        return False
    return True


def _wide(data: bytes) -> str:
    """UTF-16 without a byte order mark: every other byte of most of its text is 0."""
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
    """Whole lines, up to 64 KB, of those that are not ASCII, from where the first of them stands."""
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
    """What charset-normalizer thinks that the sample is, the likeliest first."""
    try:
        found = import_module("charset_normalizer").from_bytes(sample, cp_isolation=CANDIDATES)
    except ImportError:  # where a bundle was unpacked there may be none
        return []
    guesses = [match.encoding for match in found]
    if guesses and guesses[0] == "cp949" and not _is_korean(sample):
        guesses.remove("cp949")  # short texts of the three look alike to it
        if "euc_jp" in guesses and _has_kana(sample):
            guesses.insert(0, "euc_jp")
        elif "gb18030" in guesses:
            guesses.insert(0, "gb18030")
        guesses.append("cp949")
    return guesses


def _is_korean(sample: bytes) -> bool:
    """Whether the commonest syllables of Korean are as common in it as they are in any Korean text."""
    syllables = [letter for letter in sample.decode("cp949", "ignore") if "가" <= letter <= "힣"]
    return bool(syllables) and sum(map(OFTEN_KOREAN.__contains__, syllables)) >= MOSTLY * len(syllables)


def _has_kana(sample: bytes) -> bool:
    return any("ぁ" <= letter <= "ヶ" for letter in sample.decode("euc_jp", "ignore"))
