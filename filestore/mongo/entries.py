"""Entries of transcripts, as MongoDB's documents hold them, and as records.

wanted = {text for document in documents for text in references(document)}
records = entries(documents, await texts.read(wanted), brief)
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bson import ObjectId

from filestore.mongo.database import Document
from filestore.outputs.short import short
from filestore.records import IN_A_ROW, CellRecord, Output, OutsideOutputs, Said

__all__ = ["entries", "references"]

LARGE = 32 * 1024  # characters of outputs that an earlier version kept whole, above which they are shortened


def references(document: Document) -> list[ObjectId]:
    """The long texts that an entry's document refers to."""
    kept = [document["text"], document.get("outputs"), *document.get("late", ())]
    return [value for value in kept if isinstance(value, ObjectId)]


def entries(
    documents: Sequence[Document], texts: Mapping[ObjectId, str], brief: bool
) -> list[Said | CellRecord]:
    """The records that documents hold, given the long texts; with `brief` large outputs are made short."""
    return [_record(document, texts, brief) for document in documents]


def _record(document: Document, texts: Mapping[ObjectId, str], brief: bool) -> Said | CellRecord:
    shared = {name: document[name] for name in ("session_id", "seq", "place", "author")}
    if document["kind"] == "said":
        return Said(**shared, markdown=_text(document["text"], texts), at=document["at"])
    outputs: list[Output] = []
    outside: list[OutsideOutputs] = []
    for kept in (document["outputs"], *document["late"]):
        text = _text(kept, texts)
        shown = json.loads(text)
        if isinstance(kept, dict) and "blob" in kept:
            outside.append(
                OutsideOutputs(kept["blob"], kept["size"], kept["count"], len(outputs), len(shown))
            )
        elif brief and isinstance(kept, ObjectId) and len(text) > LARGE:
            brief_form, key = short(shown), f"{IN_A_ROW}/{kept}"
            outside.append(OutsideOutputs(key, len(text), len(shown), len(outputs), len(brief_form)))
            shown = brief_form
        outputs += shown
    return CellRecord(
        **shared,
        code=_text(document["text"], texts),
        outputs=tuple(outputs),
        status=document["status"],
        started_at=document["at"],
        execution_time=document["execution_time"],
        execution_count=document["execution_count"],
        file_ids=tuple(document["file_ids"]),
        outside=tuple(outside),
        undone=document.get("undone", False),  # documents of an earlier version lack it
    )


def _text(kept: Any, texts: Mapping[ObjectId, str]) -> str:
    if isinstance(kept, dict):
        return str(kept["short"])
    return kept if isinstance(kept, str) else texts[kept]
