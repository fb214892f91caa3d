"""What a journey needs of the session that makes it."""

from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Protocol

from bot.continuity.kernel_notes import KernelNotes
from bot.files import PersonFiles
from bot.transcript import Transcript
from filestore.records import SessionRecord
from kernels.interface import PersonKernel

__all__ = ["Traveler"]


class Traveler(Protocol):
    """The session, as far as it concerns its journeys: see `bot.session`."""

    record: SessionRecord
    transcript: Transcript
    notes: KernelNotes
    files: PersonFiles

    @property
    def kernel(self) -> PersonKernel:
        """Its kernel."""

    def turn(self) -> AbstractContextManager[None]:
        """While entered, the session is at work."""

    def alone(self, *, stop: bool) -> AbstractAsyncContextManager[bool]:
        """While entered, no cell begins; gives whether none is in progress."""
