"""What a database cannot take now is kept on the disk, and brought in when it can.

    async with open_store(data) as store, spooled(store, folder, clock=clock) as kept:
        cell = await kept.transcripts.begin_cell(...)       # also while the database is away
        kept.transcripts.waiting(session_id)                # what of it is not in the database yet

A write that fails with StoreUnavailable goes to a journal of its session or person, and so does every later
one of the same until the journal is empty: what belongs together stays in order. While the database is away
one task tries it now and then, and nobody else waits for it in vain. What a program leaves behind is brought
in by the next one.

Only what a cell needs can wait: entries of transcripts and their outputs, sessions that are opened, what
turns took, the messages of cells, and rows of files that cells wrote. All else fails as the database does.
"""

from filestore.spool.catch_up import CatchUp, Recorded
from filestore.spool.store import SpooledStore, spooled
from filestore.spool.transcripts import SpooledTranscripts

__all__ = ["CatchUp", "Recorded", "SpooledStore", "SpooledTranscripts", "spooled"]
