"""Texts too long for one document (which has 16 MiB at most), kept as pieces in documents of their own.

`keep` returns what a document should hold: the text itself, or a reference to its pieces. The pieces are
written before the document that refers to them and deleted after it, so that no reference is ever without its
pieces.
"""

from collections import defaultdict
from collections.abc import Iterable

from bson import ObjectId

from filestore.mongo.database import MongoDatabase

INLINE_LIMIT = 256 * 1024  # characters, 1 MiB of UTF-8 at most
PIECE = 256 * 1024  # characters


class Texts:
    """Long texts of sessions."""

    def __init__(self, database: MongoDatabase) -> None:
        self._pieces = database["texts"]

    async def keep(self, session_id: str, text: str) -> str | ObjectId:
        """The text if it is short, else a reference to it."""
        return text if len(text) <= INLINE_LIMIT else await self.put(session_id, text)

    async def put(self, session_id: str, text: str, reference: ObjectId | None = None) -> ObjectId:
        """Write a text in pieces, however short; `reference` may have been used for the same text before."""
        if reference is None:
            reference = ObjectId()
        else:  # an earlier try may have left some of its pieces
            await self.drop([reference])
        await self._pieces.insert_all(
            [
                {"session_id": session_id, "text": reference, "part": part, "piece": text[at : at + PIECE]}
                for part, at in enumerate(range(0, len(text), PIECE))
            ]
        )
        return reference

    async def read(self, references: Iterable[ObjectId]) -> dict[ObjectId, str]:
        """The texts of these references, of those that exist."""
        wanted = list(references)
        pieces: defaultdict[ObjectId, list[str]] = defaultdict(list)
        if wanted:
            order = [("text", 1), ("part", 1)]
            for document in await self._pieces.many({"text": {"$in": wanted}}, order):
                pieces[document["text"]].append(document["piece"])
        return {reference: "".join(parts) for reference, parts in pieces.items()}

    async def drop(self, kept: Iterable[object]) -> None:
        """Delete the texts that are kept in pieces; values that are no references are ignored."""
        if references := [value for value in kept if isinstance(value, ObjectId)]:
            await self._pieces.delete({"text": {"$in": references}})

    async def clear(self, session_id: str) -> None:
        """Delete every text of a session."""
        await self._pieces.delete({"session_id": {"$eq": session_id}})
