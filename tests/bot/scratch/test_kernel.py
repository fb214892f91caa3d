"""Work in throwaway kernels: what happens when one dies, and that none is left over."""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, cast

import pytest

from bot.scratch.drawing import Renderer, ToDraw
from bot.scratch.kernel import ScratchKernel
from kernels.broker import FileSource
from kernels.cell.events import Display, Event
from kernels.cell.result import RunResult
from kernels.errors import KernelStartFailed
from kernels.interface import PersonKernel


class Run:
    """A cell that answers some tasks and then ends as told; "hangs" never ends."""

    def __init__(self, answers: Sequence[str], status: str) -> None:
        self._answers = answers
        self._status = status
        self.result = RunResult(status, "", (), None, 0.0, 1, (), ())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Left."""

    async def __aiter__(self) -> AsyncIterator[Event]:
        for key in self._answers:
            yield Display({"text/plain": key, "answer": f"of {key}"})
        yield Display({"text/plain": "of nobody"})
        if self._status == "hangs":
            await asyncio.Event().wait()


class Fake:
    """Kernels that follow one script after the other, and record what they are told."""

    tier = "none"
    python = Path("python")

    def __init__(self, *scripts: tuple[Sequence[str], str] | Exception) -> None:
        self._scripts = list(scripts)
        self.placed: list[dict[str, bytes]] = []
        self.alive: set[str] = set()
        self.begun = asyncio.Event()

    def kernel(self, session_id: str, source: FileSource) -> PersonKernel:
        self.alive.add(session_id)
        self.placed.append({})
        return cast("PersonKernel", self)

    async def place(self, name: str, source: BinaryIO | bytes, *, beside: str = "") -> str:
        self.placed[-1][name] = source if isinstance(source, bytes) else source.read()
        return name

    def run(self, code: str, *, tag: int = 0, turn: str = "", allow_input: bool = True) -> Any:
        self.begun.set()
        script = self._scripts.pop(0)
        if isinstance(script, Exception):
            raise script
        return Run(*script)

    async def release(self, session_id: str) -> None:
        """Never called."""

    async def remove(self, session_id: str) -> None:
        self.alive.discard(session_id)


TASKS = {"a": 1, "b": 2, "c": 3}


@contextlib.contextmanager
def nothing_left(kernels: Fake) -> Iterator[ScratchKernel]:
    """A `ScratchKernel` over these kernels; checks that none is alive at the end."""
    yield ScratchKernel(kernels, "scratch")
    assert kernels.alive == set()


@pytest.mark.parametrize(
    ("scripts", "done"),
    [
        ([(["a", "b", "c"], "ok")], "abc"),
        ([(["a", "c"], "ok")], "ac"),
        ([(["a"], "died"), (["c"], "ok")], "ac"),
        ([([], "out of memory"), (["b"], "died")], "b"),
        ([([], "died"), ([], "died"), ([], "died")], ""),
        ([KernelStartFailed("no")], ""),
    ],
)
async def test_what_brings_the_kernel_down_is_given_up_and_the_rest_done(scripts: Any, done: str) -> None:
    """Answers received are kept, the first task without one is dropped, and a fresh kernel does the rest."""
    kernels = Fake(*scripts)
    with nothing_left(kernels) as scratch:
        answers = await scratch.work("drawing", TASKS, {"data": io.BytesIO(b"data")}, seconds=20)
    assert {key: answer["answer"] for key, answer in answers.items()} == {key: f"of {key}" for key in done}
    for placed in kernels.placed:
        assert placed["data"] == b"data"
        assert placed.keys() == {"data", "tasks.json"}


async def test_a_fault_of_ours_loses_nothing_that_was_done(caplog: pytest.LogCaptureFixture) -> None:
    """The caller gets the answers that came before it, as for any failure; the log has the fault."""
    data = io.BytesIO(b"data")
    kernels = Fake((["a"], "died"), (["b", "c"], "ok"))
    with nothing_left(kernels) as scratch, data, pytest.MonkeyPatch.context() as patch:
        place = kernels.place

        async def closes(name: str, source: BinaryIO | bytes, *, beside: str = "") -> str:
            placed = await place(name, source)
            data.close()
            return placed

        patch.setattr(kernels, "place", closes)
        assert (await scratch.work("cards", TASKS, {"data": data}, seconds=20)).keys() == {"a"}
    assert "closed file" in caplog.text


async def test_all_of_it_ends_in_time() -> None:
    """A kernel that hangs costs only its time limit; what it has answered is kept."""
    with nothing_left(Fake((["a"], "hangs"))) as scratch:
        assert (await scratch.work("drawing", TASKS, {}, seconds=1)).keys() == {"a"}


async def test_who_is_cancelled_leaves_no_kernel_to_the_next() -> None:
    """The next piece of work begins once the previous one's kernel is gone."""
    kernels = Fake(([], "hangs"), (["a", "b", "c"], "ok"))
    with nothing_left(kernels) as scratch:
        first = asyncio.create_task(scratch.work("drawing", TASKS, {}, seconds=20))
        await kernels.begun.wait()
        first.cancel()
        await asyncio.wait([first])
        assert (await scratch.work("drawing", TASKS, {}, seconds=20)).keys() == TASKS.keys()


async def test_without_a_turn_nothing_is_begun() -> None:
    """Somebody whose turn never comes gets no answers and has started no kernel."""

    @contextlib.asynccontextmanager
    async def never() -> AsyncIterator[None]:
        await asyncio.Event().wait()
        yield

    kernels = Fake()
    assert await ScratchKernel(kernels, "scratch", never).work("drawing", TASKS, {}, seconds=0.05) == {}
    assert kernels.placed == []


async def test_ones_pictures_are_drawn_one_answer_at_a_time_beside_others() -> None:
    """One person's many answers take one place; somebody else gets the other at once."""
    kernels = Fake(([], "hangs"), (["a"], "ok"))
    renderer = Renderer(kernels)
    wanted = [ToDraw(0, "latex", "x")]
    many = [asyncio.create_task(renderer.draw(wanted, user_id=1)) for _ in range(5)]
    await kernels.begun.wait()
    await renderer.draw(wanted, user_id=2)
    assert len(kernels.placed) == 2
    for drawing in many:
        drawing.cancel()
    await asyncio.wait(many)
    assert kernels.alive == set()


async def test_what_broken_off_work_has_left_is_deleted_once() -> None:
    """Whether a program was killed or could not throw it away, it is gone when somebody wants that."""
    kernels = Fake((["a", "b", "c"], "ok"), (["a", "b", "c"], "ok"))
    kernels.alive = {"scratch"}  # left by a program that was killed
    removed: list[str] = []
    refused = False

    async def remove(session_id: str) -> None:
        if refused:
            raise OSError("refused")
        removed.append(session_id)
        kernels.alive.discard(session_id)

    with nothing_left(kernels) as scratch, pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "remove", remove)
        for _ in range(2):
            await scratch.clean()
            assert removed == ["scratch"]
        await scratch.work("drawing", TASKS, {}, seconds=20)
        await scratch.clean()
        assert removed == ["scratch"] * 3  # before the work, and after it
        run = kernels.run

        def then_refuse(code: str, **more: Any) -> Any:
            nonlocal refused
            refused = True
            return run(code, **more)

        patch.setattr(kernels, "run", then_refuse)
        await scratch.work("drawing", TASKS, {}, seconds=20)
        assert kernels.alive == {"scratch"}
        with pytest.raises(OSError, match="refused"):
            await scratch.clean()
        refused = False
        await scratch.clean()
