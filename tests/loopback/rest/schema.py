"""Whether requests and responses conform to Discord's OpenAPI document.

Two differences: ids may arrive as integers (Discord accepts them), and a request may have no key that the
document does not know, because Discord silently drops a misspelt one.
"""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from tests import openapi

Json = dict[str, Any]
AT = "urn:discord"
# The document lacks these, but Discord accepts them: "nsfw" is in its written docs, and nextcord sends
# "tts" with each edit, and an attachment that should stay exactly as it was received.
NOT_IN_DOCUMENT = re.compile(
    r".*\.(nsfw|tts)|.*\.attachments\[\d+\]\.(content_type|height|proxy_url|size|spoiler|url|width)"
)


def _pointer(*parts: str) -> str:
    return "#/" + "/".join(part.replace("~", "~0").replace("/", "~1") for part in parts)


def _body(method: str, route: str) -> str:
    return _pointer("paths", route, method.lower(), "requestBody", "content", "application/json", "schema")


class _Document:
    """The document for one direction, and a validator for any place in it."""

    def __init__(self, contents: Json) -> None:
        self.contents = contents
        resource = Resource.from_contents(contents, default_specification=DRAFT202012)
        self._registry: Registry[Any] = Registry().with_resource(AT, resource)
        self._validators: dict[str, Draft202012Validator] = {}

    def validator(self, pointer: str) -> Draft202012Validator:
        """The validator for the schema at a place such as "#/components/schemas/MessageResponse"."""
        if pointer not in self._validators:
            self._validators[pointer] = Draft202012Validator({"$ref": AT + pointer}, registry=self._registry)
        return self._validators[pointer]

    def at(self, pointer: str) -> Any:
        """The part of the document at a place, or None."""
        found: Any = self.contents
        for part in pointer.removeprefix("#/").split("/"):
            if isinstance(found, list):
                found = found[int(part)]
            elif isinstance(found, dict):
                found = found.get(part.replace("~1", "/").replace("~0", "~"))
            else:
                return None
        return found


@cache
def _documents() -> tuple[_Document, _Document] | None:
    """What requests and responses are checked against; None if there is no document."""
    place = openapi.document()
    if place is None:
        return None
    text = place.read_text(encoding="utf-8")
    lenient = json.loads(text)
    snowflake = lenient["components"]["schemas"]["SnowflakeType"]
    lenient["components"]["schemas"]["SnowflakeType"] = {**snowflake, "type": ["string", "integer"]}
    strict = json.loads(text)
    # Details of an invalid form have codes such as "BASE_TYPE_REQUIRED"; the document says integer.
    strict["components"]["schemas"]["Error"]["properties"]["code"] = {"type": ["integer", "string"]}
    return _Document(lenient), _Document(strict)


class Schema:
    """The checks; without the document they find nothing wrong."""

    @property
    def available(self) -> bool:
        """Whether there is anything to check against."""
        return _documents() is not None

    def knows(self, method: str, route: str) -> bool:
        """Whether Discord has such a route."""
        documents = _documents()
        return documents is None or documents[0].at(_pointer("paths", route, method.lower())) is not None

    def request(self, method: str, route: str, body: Any) -> list[str]:
        """What is wrong with a request's body, a sentence each."""
        documents = _documents()
        if documents is None:
            return []
        pointer = _body(method, route)
        if documents[0].at(pointer) is None:
            return [] if body is None else [f"{method} {route} takes no body"]
        if body is None:
            required = documents[0].at(_pointer("paths", route, method.lower(), "requestBody"))["required"]
            return [f"{method} {route} needs a body"] if required else []
        return self._wrong(documents[0].validator(pointer), body)

    def unknown(self, method: str, route: str, body: Any) -> list[str]:
        """The keys of a valid request's body that no schema knows; Discord silently drops them."""
        documents = _documents()
        if documents is None or body is None:
            return []
        return [f"no such key: {key}" for key in _unknown(documents[0], _body(method, route), body)]

    def response(self, method: str, route: str, status: int, body: Any) -> list[str]:
        """What is wrong with a response of ours."""
        documents = _documents()
        if documents is None:
            return []
        answers = _pointer("paths", route, method.lower(), "responses")
        known = documents[1].at(answers) or {}
        key = str(status) if str(status) in known else f"{status // 100}XX"
        if key not in known:
            return [f"{method} {route} never answers {status}"]
        pointer = f"{answers}/{key}"
        if "$ref" in known[key]:
            pointer = known[key]["$ref"]
        pointer += "/content/application~1json/schema"
        if documents[1].at(pointer) is None:
            return [] if body is None else [f"{method} {route}: {status} has no body"]
        return self._wrong(documents[1].validator(pointer), body)

    def component(self, name: str, body: Any) -> list[str]:
        """What is wrong with an object, according to the document's schema of this name."""
        documents = _documents()
        return self._wrong(documents[1].validator(f"#/components/schemas/{name}"), body) if documents else []

    @staticmethod
    def _wrong(validator: Draft202012Validator, body: Any) -> list[str]:
        return [
            f"{error.json_path}: {error.message[:300]}{_because(error)}"
            for error in validator.iter_errors(body)
        ]


def _because(error: Any) -> str:
    """If no alternative fits, the most deeply nested reasons."""
    reasons = {f"{inner.json_path} {inner.message[:120]}" for inner in error.context or ()}
    return f" ({'; '.join(sorted(reasons)[:6])})" if reasons else ""


def _unknown(document: _Document, pointer: str, body: Any, path: str = "$") -> Iterator[str]:
    """Where there are keys that no matching schema names."""
    places = list(_fitting(document, pointer, body))
    if isinstance(body, list):
        items = [f"{place}/items" for place in places if "items" in document.at(place)]
        for index, each in enumerate(body if items else []):
            yield from _unknown(document, items[0], each, f"{path}[{index}]")
    elif isinstance(body, dict) and not any(document.at(p).get("additionalProperties") for p in places):
        named = {key: place for place in places for key in document.at(place).get("properties", {})}
        for key, value in body.items():
            if key in named:
                yield from _unknown(document, f"{named[key]}/properties/{key}", value, f"{path}.{key}")
            elif not NOT_IN_DOCUMENT.fullmatch(f"{path}.{key}"):
                yield f"{path}.{key}"


def _fitting(document: _Document, pointer: str, body: Any) -> Iterator[str]:
    """Where the schemas are that `body` conforms to, following references and alternatives."""
    schema = document.at(pointer)
    if "$ref" in schema:
        yield from _fitting(document, schema["$ref"], body)
        return
    for kind in ("oneOf", "anyOf", "allOf"):
        for index in range(len(schema.get(kind, ()))):
            place = f"{pointer}/{kind}/{index}"
            if document.validator(place).is_valid(body):
                yield from _fitting(document, place, body)
    yield pointer
