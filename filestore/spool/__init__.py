"""Keeps on the disk what the database cannot take now, and brings it into the database later.

    async with open_store(data) as store, spooled(store, folder, clock=clock) as kept:
        cell = await kept.transcripts.begin_cell(...)       # also while the database is away
        kept.transcripts.waiting(session_id)                # what of it is not in the database yet

A write that fails with StoreUnavailable goes to the journal of its session or person. So do all later writes
of that session or person until the journal is empty, which keeps them in order. While the database is away,
one task tries it now and then, so nobody else has to wait for its time-outs. What is still in a journal when
the program ends is brought in by the next one.

Only what a cell needs can wait: entries of transcripts and their outputs, sessions that are opened, what
turns cost, the messages of cells, and rows of files that cells wrote. Everything else raises
StoreUnavailable.
"""

from filestore.spool.catch_up import Recorded
from filestore.spool.store import SpooledSessions, SpooledStore, spooled
from filestore.spool.transcripts import Early, SpooledTranscripts

__all__ = ["Early", "Recorded", "SpooledSessions", "SpooledStore", "SpooledTranscripts", "spooled"]
