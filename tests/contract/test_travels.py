"""Going back to a save, checkpoints and branches, wherever the kernels live."""

import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from io import BytesIO

import pytest
import pytest_asyncio

from kernels.errors import CheckpointRefused, NoSuchSave
from kernels.interface import Kernels
from kernels.limits import Limits
from kernels.pool import Pool
from kernels.state.journey import ChangedFile, ChangedVariable
from kernels.state.store import StateStore
from tests.conftest import KERNEL_PYTHON
from tests.contract.conftest import SIZE, node_settings, noded
from tests.live.cells import NoFiles, run, value

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

ROOM = 1 << 30


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def saving(where: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Kernels]:
    """Kernels whose variables are saved."""
    folder = tmp_path_factory.mktemp(where)
    if where == "network":
        pytest.skip("it differs from a node beside this process only in its address")
    if where == "here":
        states = StateStore(folder / "states", quota=ROOM, disk=ROOM)
        async with Pool(
            python=KERNEL_PYTHON,
            workspaces=folder / "w",
            limits=Limits(),
            size=SIZE,
            libraries=(),
            states=states,
        ) as pool:
            yield pool
    else:
        settings = node_settings(folder)
        async with noded(
            replace(settings, states=folder / "states", state_quota=ROOM, state_disk=ROOM)
        ) as node:
            yield node


async def test_a_kernel_goes_back_and_forth(saving: Kernels, named: Callable[[], str]) -> None:
    """The caller is told what has changed and puts the files back, which are no news to anybody."""
    kernel = saving.kernel(named(), NoFiles())
    assert list(await kernel.saves()) == []
    await run(kernel, "import os; x = 1; os.mkdir('out'); open('out/a', 'w').write('one')", tag=1)
    first = await kernel.checkpoint("first")
    await run(kernel, "x, y = 2, 'abc'; open('out/a', 'w').write('two'); open('new', 'w').write('n')", tag=2)
    journey = await kernel.go_to(first.number)
    assert {saved.cell: saved.number for saved in await kernel.saves()}[2] == journey.before
    assert journey.as_of == 1
    assert set(journey.changed) == {
        ChangedVariable("x", "int 2", "int 1"),
        ChangedVariable("y", "str 3 characters", ""),
    }
    assert set(journey.files) == {
        ChangedFile("new", "", known=True, now=hashlib.sha256(b"n").hexdigest()),
        ChangedFile(
            "out/a",
            hashlib.sha256(b"one").hexdigest(),
            known=True,
            now=hashlib.sha256(b"two").hexdigest(),
        ),
    }
    assert ("x", "int", "1") in [(one.name, one.type, one.detail) for one in kernel.variables]
    await kernel.write_back("new", None)
    await kernel.write_back("out/a", BytesIO(b"one"))
    ran = await run(kernel, "print(x, 'y' in globals(), os.path.exists('new'), open('out/a').read())", tag=3)
    assert (ran.output, ran.restarts, ran.result.captured) == ("1 False False one\n", [], ())
    assert (await kernel.go_to(journey.before)).as_of == 2
    assert await value(kernel, "x, y") == "(2, 'abc')"
    with pytest.raises(NoSuchSave):
        await kernel.go_to(999)
    with pytest.raises(OSError, match="Invalid argument"):
        await kernel.write_back("../other", BytesIO(b""))


async def test_checkpoints_are_kept_under_their_names(saving: Kernels, named: Callable[[], str]) -> None:
    """They have a name of some visible characters, and can be forgotten."""
    kernel = saving.kernel(named(), NoFiles())
    await run(kernel, "x = 1", tag=1)
    saved = await kernel.checkpoint("before the merge: a/b")
    assert saved.cell == 1
    assert await kernel.checkpoints() == {"before the merge: a/b": saved}
    for refused in ("", " ", "a\nb", "n" * 41):
        with pytest.raises(CheckpointRefused) as refusal:
            await kernel.checkpoint(refused)
        assert refusal.value.why == "name"
    await kernel.forget_checkpoint("before the merge: a/b")
    await kernel.forget_checkpoint("there is none")
    assert await kernel.checkpoints() == {}


async def test_a_branch_goes_on_by_itself(saving: Kernels, named: Callable[[], str]) -> None:
    """From the variables and files as they are now; neither changes the other."""
    name, other, third = named(), named(), named()
    kernel = saving.kernel(name, NoFiles())
    await run(kernel, "x = [1]; import os; os.makedirs('out'); open('out/a', 'w').write('a')", tag=5)
    assert await saving.branch(name, other) == 5
    branch = saving.kernel(other, NoFiles())
    assert (await branch.state()).saved == 5
    ran = await run(branch, "x.append(2); print(x, open('out/a').read())", tag=6)
    assert (ran.output, ran.result.captured) == ("[1, 2] a\n", ())
    assert await value(kernel, "x") == "[1]"
    with pytest.raises(FileExistsError):
        await saving.branch(name, other)
    assert await saving.branch(named(), third) == 0
