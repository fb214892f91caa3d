"""What a session notes about its kernel, and which losses of ended kernels it still has to tell.

    await notes.find_losses(broken_off=0, restored=False)       # when the session is opened
    async with notes.losses() as losses:                        # of one turn
        async for event in losses.before(run, events): ...
        losses.told                                             # belongs into the turn's result too
        await notes.note(names)                                 # after the cell

A loss stays in the record until its turn has told its result. If telling it fails, or if the program ends
before, it is told with the next cell. Where variables were saved, nobody knows what is lost before the next
kernel has started: what that one tells is merged with what is known here.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Container, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from msgspec import structs

from bot.continuity.losses import AWAY, COPY, UPDATED, KernelNote, merge_losses, unused_for
from bot.transcript import Transcript
from filestore.errors import FileStoreError, StoreUnavailable
from filestore.records import SessionRecord
from filestore.spool import SpooledSessions
from kernels.cell.events import Event, Queued, Restarted
from kernels.concurrency.cancellation import to_the_end
from kernels.interface import Cell, PersonKernel

__all__ = ["KernelNotes", "Losses", "note_swept", "note_untold", "note_used"]

log = logging.getLogger(__name__)

NOTED = timedelta(minutes=1)  # between two records of when an open session was used: each waits for the disk


class Losses:
    """Tells within one turn what the session has lost before it."""

    def __init__(self, notes: "KernelNotes") -> None:
        self._notes = notes
        self.told: Restarted | None = None
        self._of_kernel: Restarted | None = None  # what the cell's own kernel has reported
        self._run: Cell | None = None

    async def before(self, run: Cell, events: AsyncIterable[Event]) -> AsyncGenerator[Event]:
        """The cell's events; before the first that shows that the cell runs comes what was lost."""
        self._run = run
        async for event in events:
            if isinstance(event, Restarted):
                self._of_kernel = merge_losses(self._of_kernel, event)
            known = self.told is not None or isinstance(event, Queued)
            if not known and (lost := self._notes.take_untold(event)):
                self.told = lost
                if isinstance(event, Restarted):  # the kernel reports it too: tell it once
                    yield await self._notes.hold_both(lost, event)
                    continue
                yield lost
            yield event
        if self.told is None and (lost := self._notes.take_untold(None)):
            self.told = lost
            yield lost

    def missed(self, event: Event) -> None:
        """Note an event of the cell that was not told because the turn failed before that."""
        if isinstance(event, Restarted):
            self._of_kernel = merge_losses(self._of_kernel, event)
            self.told = self.told or self._notes.take_untold(event)

    @property
    def undelivered(self) -> Restarted | None:
        """What has to be told again if the turn fails.

        A cell that goes on has its kernel's in its result; but what came back is not to be told as lost.
        """
        goes_on = self._run is not None and self._run.goes_on
        came_back = self.told is not None and self._of_kernel is not None and self._of_kernel.as_of
        return self.told if goes_on and not came_back else merge_losses(self.told, self._of_kernel)


class KernelNotes:
    """The notes of one open session, which are stored in its record."""

    def __init__(
        self,
        record: SessionRecord,
        sessions: SpooledSessions,
        transcript: Transcript,
        kernel: PersonKernel,
    ) -> None:
        self._session_id = record.session_id
        self._sessions = sessions
        self._transcript = transcript
        self._kernel = kernel
        self._held = self._noted = KernelNote.from_text(record.kernel)
        self._untold: Restarted | None = None  # while no turn is telling it
        # Whether a kernel lived when the session was opened, if the database could not say what was noted.
        self._lived: bool | None = None
        self._saved = False  # variables of a kernel that has ended may come back with the next cell
        self._back: Restarted | None = None  # the last time that they did
        self._writing = asyncio.Lock()

    @asynccontextmanager
    async def losses(self) -> AsyncIterator[Losses]:
        """The losses to tell with a turn; if the block fails, they are told with the next turn."""
        losses = Losses(self)
        try:
            yield losses
        except BaseException:  # or a cancellation: nobody knows what the person has seen
            if (lost := losses.undelivered) is not None:
                await to_the_end(self.tell_again(lost))
            raise
        if losses.told is not None:
            await self._hold(self._held.with_untold(self._untold))

    def take_untold(self, first: Event | None) -> Restarted | None:
        """What has to be told with a cell that begins with this event (None: it shows nothing).

        One turn gets it. If there are saved variables, that is a cell which has got a kernel.
        """
        if isinstance(first, Restarted):
            self._back = first if first.as_of else None
        elif self._saved and first is None:  # it may have been stopped while it waited
            return None
        untold, self._untold = self._untold, None
        if self._saved and untold is not None and not isinstance(first, Restarted):
            # They did not come back, or an earlier cell has been told that they did.
            there = {one.name for one in self._kernel.variables}
            untold = _something(structs.replace(untold, lost=_without(untold.lost, there)))
        self._saved = False
        return untold

    async def hold_both(self, lost: Restarted, told: Restarted) -> Restarted:
        """A loss and what the kernel has told of it as one, which is in the record when this returns.

        If this program is killed now, the next one does not tell as lost what has come back.
        """
        both = merge_losses(lost, told) or told
        await self._hold(self._held.with_untold(both))
        return both

    async def tell_again(self, lost: Restarted) -> None:
        """Have a loss told with the next cell, because it has not reached the person."""
        self._untold = merge_losses(lost, self._untold)
        await self._hold(self._held.with_untold(merge_losses(self._held.untold, self._untold)))

    async def forget(self) -> None:
        """Note that the person has given up the kernel's variables, saved or not."""
        self._saved = False
        await self.note(())

    async def moved(self, names: Iterable[str]) -> None:
        """Note that the person has gone to a save with these variables: earlier losses are of no concern."""
        self._saved, self._untold = False, None
        await self._hold(self._held.with_untold(None).with_variables(names))

    async def note(self, names: Iterable[str]) -> None:
        """Note the variables after a cell, so that their loss can be told when it is noticed."""
        await self._hold(self._held.with_variables(names))

    async def find_losses(self, *, broken_off: int, restored: bool) -> None:
        """Find out whether the kernel of the note is gone.

        `broken_off` is the cell that was running in it (0: none). `restored`: the note may be older than what
        the person did.
        """
        held, earlier, lives, saved = replace(self._held, swept=False), False, True, 0
        if held.unknown:
            try:
                held, earlier = await self._known(held)
            except StoreUnavailable:  # it is found out once the database can be reached
                self._lived, saved = await self._look()
                self._saved = not self._lived and saved > 0
                return
        if held.variables or held.reason or broken_off or earlier:
            lives, saved = await self._look()
        if (held.variables or broken_off or earlier) and not lives:
            reason, kept = (COPY, "copy") if restored else (UPDATED if earlier else AWAY, "files")
            unnamed = broken_off > saved
            held = held.ended(reason, kept=kept, unnamed=unnamed, earlier=earlier)
        elif earlier:  # it lives, and knows its variables
            held = held.with_variables(one.name for one in self._kernel.variables)
        self._saved = not lives and saved > 0
        self._untold = held.untold
        await self._hold(replace(held, unknown=False))

    async def _look(self) -> tuple[bool, int]:
        """Whether the kernel lives, and the cell as of which its variables are saved (0: they are not)."""
        state = await self._kernel.state()
        return state.alive or state.busy, state.saved

    async def _known(self, held: KernelNote) -> tuple[KernelNote, bool]:
        """The note, and whether cells have run whose variables were never noted.

        The record with which the session was opened may be a stand-in from when the database was away.
        Raises: StoreUnavailable.
        """
        record = await self._sessions.get(self._session_id)
        if record is not None and record.kernel is not None:
            self._noted = KernelNote.from_text(record.kernel)
            return replace(self._noted, swept=False), False
        return held, await self._transcript.has_run()

    async def _catch_up(self, *, lived: bool) -> None:
        """Add what was noted before the session was opened. Raises: StoreUnavailable."""
        before, earlier = await self._known(KernelNote(unknown=True))
        if (before.variables or earlier) and not lived:
            before = before.ended(UPDATED if earlier else AWAY, earlier=earlier)
        self._lived = None
        untold = before.untold
        if untold is not None and self._back is not None:  # that was told, but not what is lost since
            untold = _something(structs.replace(merge_losses(untold, self._back) or untold, unsaved=()))
        self._untold = merge_losses(untold, self._untold)
        self._held = self._held.with_untold(merge_losses(untold, self._held.untold))

    async def _hold(self, held: KernelNote) -> None:
        """Write the note to the session's record, unless it is there already."""
        self._held = held
        async with self._writing:
            try:
                if self._lived is not None:  # a note that we do not know must not be overwritten
                    if self._transcript.waits:  # the database still cannot be reached
                        return
                    await self._catch_up(lived=self._lived)
                if (held := self._held) != self._noted:
                    await self._sessions.set_kernel(self._session_id, held.to_text())
                    self._noted = held
            except FileStoreError as error:  # the next cell tries again
                log.warning("the variables of session %s are not noted: %s", self._session_id, error)


def _something(lost: Restarted) -> Restarted | None:
    """The loss, unless nothing is lost."""
    return lost if lost.lost or lost.unnamed or lost.earlier else None


def _without(names: Sequence[str], there: Container[str]) -> tuple[str, ...]:
    return tuple(name for name in names if name not in there)


async def note_untold(sessions: SpooledSessions, session_id: str, lost: Restarted) -> None:
    """Have a loss told with the next cell of a session that is not open. Raises nothing."""
    try:
        if (record := await sessions.get(session_id)) is not None:
            held = KernelNote.from_text(record.kernel)
            held = held.with_untold(merge_losses(lost, held.untold))
            await sessions.set_kernel(session_id, held.to_text())
    except FileStoreError:
        log.exception("the loss of session %s will not be told", session_id)


async def note_swept(
    sessions: SpooledSessions, transcript: Transcript, record: SessionRecord, retention: timedelta
) -> None:
    """Note that a session's kernel and workspace were removed after this time of disuse.

    Raises: StoreUnavailable.
    """
    held = KernelNote.from_text(record.kernel)
    earlier = held.unknown and await transcript.has_run()
    held = held.ended(unused_for(retention), kept="", earlier=earlier)
    await sessions.set_kernel(record.session_id, replace(held, swept=True).to_text())


async def note_used(sessions: SpooledSessions, record: SessionRecord, used: datetime) -> SessionRecord:
    """Note that a session was used at this time; returns its record. Raises: StoreUnavailable."""
    if used - record.last_used_at < NOTED:
        return record
    await sessions.touch(record.session_id, used)
    return replace(record, last_used_at=used)
