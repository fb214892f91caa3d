"""What a journey makes of saves that do not end, or do not come back; processes and saves follow scripts."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, cast

import pytest

from kernels.cell.router import Router
from kernels.concurrency.slots import SlotQueue
from kernels.errors import CheckpointRefused, NotSaved
from kernels.limits import Limits
from kernels.process.kernel_process import KernelProcess
from kernels.state.keeper import Keeper
from kernels.state.keeping.slots import SaveSlots
from kernels.state.manifest import Manifest, Meta
from kernels.state.restarts import KEPT, NOT_BACK, BroughtBack, Restarts
from kernels.state.store import StateStore
from kernels.travel.traveling import NOT_TAKEN, SAVES_ON, Traveling
from kernels.workspace.copies.listing import Listing
from tests.kernels.state.saves import save


class ScriptedKeeper(Keeper):
    """One whose saves take until it is stopped; `heeds` says whether they can be given up."""

    heeds = True

    def __init__(self, store: StateStore, folder: Path) -> None:
        router, listing = Router(Limits(), lambda: None), Listing(folder, max_file=1 << 20)
        super().__init__("u7", store, router, SaveSlots(), listing)
        self.saving: asyncio.Task[Any] | None = None
        self.done: list[str] = []

    async def save_now(self, *_given: object, **_options: object) -> None:
        self.saving = asyncio.create_task(asyncio.Event().wait())

    async def make_way(self) -> bool:
        return self.saving is None or self.heeds

    async def stop(self) -> None:
        if self.saving is not None:
            self.saving.cancel()
            self.saving = None
        await super().stop()

    def release(self, process: object) -> None:
        self.done.append("released")


class ScriptedTravels(Traveling):
    """A kernel whose next processes bring back what `back` says; None: as is saved."""

    def __init__(self, folder: Path) -> None:
        self.session_id = "u7"
        self.queue = SlotQueue(1)
        store = StateStore(folder / "states", quota=1 << 30, disk=1 << 30)
        self.state = store.session("u7")
        self.keeper = self._keeper = ScriptedKeeper(store, folder)
        self.restarts = self._restarts = Restarts()
        self._router = Router(Limits(), lambda: None)
        self._process = self._slot = self._restored = None
        self._ending, self._journeys = asyncio.Lock(), asyncio.Lock()
        self._closed = False
        self.back: list[BroughtBack | None] = []
        self.replaced: list[str] = []

    def runs(self) -> None:
        """There is a process, in which a cell has run that has no save."""
        self._process = cast("KernelProcess", object())
        self.keeper.cell_ended(9)

    def saved(self, cell: int) -> Manifest:
        """A save as of this cell, which is the newest now."""
        return save(self.state, cell, b"%d" % cell, meta=Meta(names=(f"x{cell}",)))

    @property
    def dead(self) -> bool:
        return False

    async def replace(self, reason: str) -> None:
        self.replaced.append(reason)
        await self.keeper.stop()
        self._process = None

    async def ready(self) -> AsyncGenerator[int]:
        yield 0
        with self.state.writing():  # no save that goes on has them
            pass
        saved = await self.keeper.newest()
        scripted = self.back.pop(0) if self.back else None
        if scripted is None and saved is not None:
            scripted = BroughtBack(saved.cell, saved.meta.names)
        self._restored = scripted
        self._restarts.started(scripted)

    async def _have_started(self) -> None:
        raise AssertionError

    async def _end_process(self, *, now: bool) -> None:
        raise AssertionError

    async def _end(self) -> None:
        raise AssertionError


async def test_variables_that_are_not_back_after_all_are_told(tmp_path: Path) -> None:
    """Neither those that were wanted nor those that were there: the kernel is fresh."""
    kernel = ScriptedTravels(tmp_path)
    first = kernel.saved(1)
    kernel.saved(2)
    kernel.back = [BroughtBack(0, gone=("x1",), kept=1), BroughtBack(0, gone=("x2",), kept=2)]
    assert (await kernel.go_to(first.number)).as_of == 0
    told = kernel.restarts.take()
    assert told is not None
    assert (told.reason, told.lost) == (f"{NOT_TAKEN}; {NOT_BACK}{KEPT.format(2)}", ("x2",))


async def test_what_is_as_it_was_is_not_told(tmp_path: Path) -> None:
    """Whether it got there, or is back where it was."""
    kernel = ScriptedTravels(tmp_path)
    first = kernel.saved(1)
    kernel.saved(2)
    for back, as_of in (([BroughtBack(0, gone=("x1",), kept=1)], 2), ([], 1)):
        kernel.back = [*back]
        assert (await kernel.go_to(first.number)).as_of == as_of
        assert kernel.restarts.take() is None


@pytest.mark.parametrize("first", [True, False])
async def test_what_a_killed_process_had_is_not_called_saved(tmp_path: Path, *, first: bool) -> None:
    """It did not stop saving, whether it began by itself or for the journey."""
    kernel = ScriptedTravels(tmp_path)
    older = kernel.saved(1)
    for call in (lambda: kernel.go_to(older.number, keep=True), lambda: kernel.checkpoint("x")):
        kernel.runs()
        kernel.keeper.heeds = False
        if first:
            await kernel.keeper.save_now()
        with pytest.raises((NotSaved, CheckpointRefused)):
            await call()
    assert kernel.replaced == [SAVES_ON] * 2


async def test_a_save_that_takes_too_long_does_not_go_on(tmp_path: Path) -> None:
    """It would hold the saves, or be the newest one when the fresh process begins."""
    kernel = ScriptedTravels(tmp_path)
    older = kernel.saved(1)
    kernel.runs()
    with pytest.raises(NotSaved):
        await kernel.go_to(older.number, keep=True)
    assert (kernel.keeper.saving, kernel.replaced) == (None, [])


async def test_a_save_is_tried_again_once_nobody_is_alone(tmp_path: Path) -> None:
    """No cell comes after a checkpoint, to see to that."""
    kernel = ScriptedTravels(tmp_path)
    kernel.runs()
    with pytest.raises(CheckpointRefused):
        await kernel.checkpoint("x")
    assert kernel.keeper.done == ["released"]
