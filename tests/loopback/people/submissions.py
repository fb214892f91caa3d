"""What a person has filled into a form, checked as their client does before it sends it."""

from typing import Any

from tests.loopback.errors import NotPossible
from tests.loopback.world.interactions import Modal

Json = dict[str, Any]
ROW, TEXT_INPUT, LABEL = 1, 4, 18
LONGEST = 4000


def filled(modal: Modal, values: dict[str, str]) -> Json:
    """The data of the submission.

    Raises:
        NotPossible: a value has no input, is missing, too short or too long
    """
    fields = modal.fields()
    known = {key for label, field in fields for key in (label, field["custom_id"])}
    if strange := set(values) - known:
        raise NotPossible(f"no inputs {sorted(strange)}; there are {sorted(known)}")
    sent = {field["custom_id"]: _value(label, field, values) for label, field in fields}
    return {
        "custom_id": modal.custom_id,
        "components": [_told(part, sent, number) for number, part in enumerate(modal.components, 1)],
    }


def _value(label: str, field: Json, values: dict[str, str]) -> str:
    if field["type"] != TEXT_INPUT:
        return values.get(field["custom_id"], values.get(label, ""))
    value = values.get(field["custom_id"], values.get(label, field.get("value") or ""))
    if not value and field.get("required", True):
        raise NotPossible(f"input {label!r} must be filled in")
    if len(value) > (field.get("max_length") or LONGEST):
        raise NotPossible(f"{len(value)} characters for {label!r}")
    if value and len(value) < (field.get("min_length") or 0):
        raise NotPossible(f"only {len(value)} characters for {label!r}")
    return value


def _told(part: Json, sent: dict[str, str], number: int) -> Json:
    if part["type"] == LABEL:
        return {"type": LABEL, "id": number, "component": _input(part["component"], sent)}
    return {"type": ROW, "id": number, "components": [_input(inner, sent) for inner in part["components"]]}


def _input(field: Json, sent: dict[str, str]) -> Json:
    value = sent[field["custom_id"]]
    told: Json = {"type": field["type"], "custom_id": field["custom_id"]}
    return told | ({"value": value} if field["type"] == TEXT_INPUT else {"values": [value] if value else []})
