"""What Discord refuses in a message although its OpenAPI document allows it.

https://docs.discord.com/developers/resources/message and /components/reference
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]
CONTENT, EMBEDS_TOTAL, FILES, ROWS, BUTTONS, LABEL, CUSTOM_ID = 2000, 6000, 10, 5, 5, 80, 100
COMPONENTS, OPTIONS, PLACEHOLDER, TITLE, INPUTS, INPUT_LABEL = 40, 25, 150, 45, 5, 45
COMPONENTS_V2 = 1 << 15
ROW, BUTTON, TEXT_INPUT = 1, 2, 4
SELECTS = (3, 5, 6, 7, 8)
COMMAND_NAME = re.compile(r"[-_'\w]{1,32}")


def message(body: Json, files: int) -> list[str]:
    """What is wrong with a message, or a change to one, that has this many files."""
    return [
        *_text(body),
        *_components(body.get("components") or []),
        *_mentions(body.get("allowed_mentions") or {}),
        *([f"{files} files, at most {FILES}"] if files > FILES else []),
    ]


def modal(body: Json) -> list[str]:
    """What is wrong with a form."""
    parts = list(_walk(body.get("components") or []))
    inputs = [part for part in parts if part.get("type") == TEXT_INPUT]
    return [
        *([f"title of {len(body['title'])}, at most {TITLE}"] if len(body["title"]) > TITLE else []),
        *(
            []
            if 1 <= len(body["components"]) <= INPUTS
            else [f"{len(body['components'])} inputs, 1 to {INPUTS}"]
        ),
        *(f"input label {i['label']!r} too long" for i in inputs if len(i.get("label") or "") > INPUT_LABEL),
        *(f"input {i['custom_id']!r}: value too long" for i in inputs if len(i.get("value") or "") > 4000),
        *_ids(parts),
    ]


def command(body: Json, *, changed: bool = False) -> list[str]:
    """What is wrong with a command's registration; if it is `changed`, no field is required."""
    name, slash = body.get("name", ""), (body.get("type") or 1) == 1
    found = []
    if slash and "name" in body and (not COMMAND_NAME.fullmatch(name) or name != name.lower()):
        found.append(f"command name {name!r}")
    if slash and not changed and not body.get("description"):
        found.append(f"command {name!r} has no description")
    if not slash and (body.get("description") or body.get("options")):
        found.append(f"command {name!r} may have neither a description nor options")
    return found + [f"command {name!r}: {wrong}" for wrong in _options(body.get("options") or [])]


def _options(options: list[Json]) -> Iterator[str]:
    optional = False
    for option in options:
        name = option["name"]
        if not COMMAND_NAME.fullmatch(name) or name != name.lower():
            yield f"option name {name!r}"
        if option.get("required") and optional:
            yield f"required option {name!r} after an optional one"
        optional |= not option.get("required")
        if option.get("autocomplete") and option.get("choices"):
            yield f"option {name!r} has both choices and autocomplete"
        yield from _options(option.get("options") or [])
    if len(options) > OPTIONS:
        yield f"{len(options)} options, at most {OPTIONS}"
    yield from (
        f"option {n!r} twice" for n, count in Counter(o["name"] for o in options).items() if count > 1
    )


def _text(body: Json) -> Iterator[str]:
    content, embeds = body.get("content") or "", body.get("embeds") or []
    if len(content) > CONTENT:
        yield f"content of {len(content)} characters, at most {CONTENT}"
    total = sum(_characters(embed) for embed in embeds)
    if total > EMBEDS_TOTAL:
        yield f"embeds of {total} characters, at most {EMBEDS_TOTAL}"
    if (body.get("flags") or 0) & COMPONENTS_V2 and (content or embeds):
        yield "content or embeds beside components of version 2"


def _characters(embed: Json) -> int:
    texts = [embed.get("title"), embed.get("description")]
    texts += [(embed.get("footer") or {}).get("text"), (embed.get("author") or {}).get("name")]
    for field in embed.get("fields") or []:
        texts += [field.get("name"), field.get("value")]
    return sum(len(text or "") for text in texts)


def _walk(parts: list[Json]) -> Iterator[Json]:
    for part in parts:
        yield part
        yield from _walk(part.get("components") or [])
        yield from _walk([part[key] for key in ("accessory", "component") if part.get(key)])


def _components(rows: list[Json]) -> Iterator[str]:
    parts = list(_walk(rows))
    if sum(1 for row in rows if row["type"] == ROW) > ROWS:
        yield f"{len(rows)} rows, at most {ROWS}"
    if len(parts) > COMPONENTS:
        yield f"{len(parts)} components, at most {COMPONENTS}"
    for row in (part for part in parts if part["type"] == ROW):
        inner = [part["type"] for part in row["components"]]
        if not inner:
            yield "a row without anything in it"
        if len(inner) > BUTTONS or (len(inner) > 1 and any(kind != BUTTON for kind in inner)):
            yield f"a row of {len(inner)} components"
    for part in parts:
        yield from _button(part) if part["type"] == BUTTON else _select(part)
    yield from _ids(parts)


def _button(part: Json) -> Iterator[str]:
    label = part.get("label") or ""
    if len(label) > LABEL:
        yield f"a button's label of {len(label)} characters, at most {LABEL}"
    if not label and not part.get("emoji"):
        yield "a button without label and emoji"
    if bool(part.get("url")) == bool(part.get("custom_id")):
        yield f"button {label!r} needs either a url or a custom_id"


def _select(part: Json) -> Iterator[str]:
    if part["type"] not in SELECTS:
        return
    if len(part.get("placeholder") or "") > PLACEHOLDER:
        yield f"a placeholder longer than {PLACEHOLDER}"
    if part["type"] != SELECTS[0]:
        return
    values = [option["value"] for option in part["options"]]
    if not 1 <= len(values) <= OPTIONS:
        yield f"a select with {len(values)} options, 1 to {OPTIONS}"
    if len(set(values)) < len(values):
        yield "a select with the same value twice"
    if (part.get("max_values") or 1) > max(len(values), 1):
        yield "a select of which more may be chosen than there is"
    for option in part["options"]:
        for key in ("label", "value", "description"):
            if len(option.get(key) or "") > 100:
                yield f"an option's {key} longer than 100"


def _ids(parts: list[Json]) -> Iterator[str]:
    ids = [part["custom_id"] for part in parts if part.get("custom_id")]
    yield from (f"custom_id {one!r} {count} times" for one, count in Counter(ids).items() if count > 1)
    yield from (f"custom_id {one[:20]!r}... too long" for one in ids if len(one) > CUSTOM_ID)


def _mentions(allowed: Json) -> Iterator[str]:
    for kind in ("users", "roles"):
        if kind in (allowed.get("parse") or []) and allowed.get(kind):
            yield f"allowed_mentions has {kind} both in parse and listed"
