"""A forked kernel beside a stock one in the same environment: every attribute that differs has a reason."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager

from kernels.errors import SandboxUnavailable
from kernels.pool import Pool
from kernels.sandbox.forkserver import LIBRARIES
from kernels.sandbox.policy import Tier
from tests.conftest import KERNEL_PYTHON
from tests.live.cells import PATIENCE, NoFiles, pooled, run, value

pytestmark = pytest.mark.asyncio(loop_scope="module")

FUNCTIONS = [
    "asyncio.run",
    "os.wait",
    "os.waitpid",
    "signal.default_int_handler",
    "subprocess.run",
    "sys.unraisablehook",
    "threading.Thread",
    "tempfile.mkstemp",
    "warnings.formatwarning",
]
PROBE = Path(__file__).with_name("attributes.py").read_text("utf-8")
CELL = (
    f"""
OWN = {{*globals(), "OWN", "FUNCTIONS"}} - {{"__doc__", "__name__", "__builtins__"}}
FUNCTIONS = {FUNCTIONS}
"""
    + PROBE
)

# What differs, and why.
REASONS = {
    "argv": "a person's program would refuse the name of a file with the kernel's key",
    "builtins": "load_file and its like are added; what belongs to a debugger is not there",
    "command line": "Linux keeps that of the program that was started, the zygote",
    "descriptors": "standard input is nobody's pipe: reading it asks",
    "environment/JPY_PARENT_PID": "a kernel has no parent to follow: its init does that",
    "environment/PYDEVD_USE_FRAME_EVAL": "it is for a debugger, which starts threads",
    "fileno": "the descriptors behind the streams are the cell's: 1 and 2, where the stock kernel has copies",
    "functions of ours": "see each module: interrupts, children that nobody waits for, paths, asyncio.run",
    "hooks": "an interrupt that Python drops is sent again",
    "limits": "the sandbox's",
    "matplotlib": "the list of what is drawn with is chosen before there is a shell",
    "nice": "others have the processors first",
    "signals/SIGINT": "an interrupt is for one cell, and does not tear a message",
    "stderr": "it has what programs look for below it: bytes, and another encoding",
    "stdout": "as stderr",
    "threads": "no heartbeat, debugger and history: they cost time at every start",
}


async def stock(folder: Path, environment: dict[str, str]) -> dict[str, Any]:
    """What the cell prints in a stock ipykernel."""
    folder.mkdir()
    manager = AsyncKernelManager(
        transport="ipc", ip=str(folder / "s"), connection_file=str(folder / "k.json")
    )
    argv = [str(KERNEL_PYTHON), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    manager._kernel_spec = KernelSpec(argv=argv, display_name="stock", language="python")
    work = folder / "work"
    work.mkdir()
    told = environment | {
        "HOME": str(work),
        "TMPDIR": str(work / ".tmp"),
        "IPYTHONDIR": str(folder / ".ipython"),
    }
    told |= {"MPLCONFIGDIR": str(folder / ".matplotlib"), "JOBLIB_TEMP_FOLDER": told["TMPDIR"]}
    for name in ("TMPDIR", "MPLCONFIGDIR"):
        Path(told[name]).mkdir()
    umask = os.umask(0o022)
    try:
        await manager.start_kernel(cwd=str(work), env=told)
    finally:
        os.umask(umask)
    client = manager.client()
    try:
        client.start_channels()
        await client.wait_for_ready(timeout=PATIENCE)
        said = ""

        def hear(message: dict[str, Any]) -> None:
            nonlocal said
            said += message["content"].get("text") or "\n".join(message["content"].get("traceback", ""))

        await client.execute_interactive(CELL, output_hook=hear, timeout=PATIENCE)
        found: dict[str, Any] = json.loads(said)
        return found
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)
        manager.cleanup_connection_file()


def differences(one: dict[str, Any], other: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The attributes that differ, with each variable of the environment and each signal by itself."""
    flat = []
    for told in (one, other):
        parts = {
            f"{name}/{key}": told[name][key] for name in ("environment", "signals") for key in told[name]
        }
        flat.append(
            {name: each for name, each in (told | parts).items() if name not in ("environment", "signals")}
        )
    names = flat[0].keys() | flat[1].keys()
    pairs = {name: (flat[0].get(name), flat[1].get(name)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


async def test_a_forked_kernel_is_as_a_stock_one(tmp_path: Path) -> None:
    """Except where there is a reason; and there is no reason for anything that does not differ."""
    async with pooled(tmp_path / "pool", libraries=LIBRARIES) as pool:
        kernel = pool.kernel("a", NoFiles())
        environment = json.loads(await value(kernel, "import json, os; print(json.dumps(dict(os.environ)))"))
        await run(kernel, "%reset -f")
        ran = await run(pool.kernel("b", NoFiles()), CELL)
        assert ran.status == "ok", ran.output
        forked = json.loads(ran.output)
    found = differences(await stock(tmp_path / "stock", environment), forked)
    assert {name: pair for name, pair in found.items() if name not in REASONS} == {}
    assert REASONS.keys() - found.keys() == set()


async def test_no_two_kernels_have_the_same_keys_and_numbers(tmp_path: Path) -> None:
    """Random values and keys are made in each kernel: the zygote's would be the same for all."""
    cell = (
        "import multiprocessing as mp, random, json, tempfile, uuid\nimport numpy as np\n"
        "print(json.dumps([mp.current_process().authkey.hex(), random.random(), np.random.rand(),"
        " next(tempfile._get_candidate_names()), uuid.uuid4().hex]))"
    )

    async def told(pool: Pool, name: str) -> list[Any]:
        numbers: list[Any] = json.loads((await run(pool.kernel(name, NoFiles()), cell)).output)
        return numbers

    async with pooled(tmp_path / "pool", libraries=("multiprocessing", "numpy")) as pool:
        one, other = await asyncio.gather(told(pool, "a"), told(pool, "b"))
    assert [first == second for first, second in zip(one, other, strict=True)] == [False] * 5


async def test_a_kernel_begins_with_no_temporary_files(tmp_path: Path) -> None:
    """A killed kernel's files would fill the workspace unseen; a link in their place is not followed."""
    async with pooled(tmp_path / "pool") as pool:
        kernel = pool.kernel("a", NoFiles())
        fill = "import os, tempfile; os.makedirs('kept'); open('kept/x', 'w').close()\n"
        await run(kernel, fill + "tempfile.mkdtemp(); print(len(os.listdir(os.environ['TMPDIR'])))")
        await kernel.restart()
        look = "import os; print(os.listdir(os.environ['TMPDIR']), os.listdir('kept'))"
        assert (await run(kernel, look)).output.endswith("[] ['x']\n")
        await run(kernel, "import shutil; shutil.rmtree('.tmp'); os.symlink('kept', '.tmp')")
        await kernel.restart()
        assert (await run(kernel, look)).output.endswith("[] ['x']\n")


@pytest.mark.parametrize("tier", [Tier.S, Tier.A, Tier.B], ids=str)
async def test_many_temporary_files_are_removed_while_the_next_kernel_answers(
    tmp_path: Path, tier: Tier
) -> None:
    """In each tier, by a process that no cell has to wait for, even if folders are closed."""
    try:
        making = pooled(tmp_path / "pool", tier=tier)
        pool = await making.__aenter__()
    except SandboxUnavailable as error:
        pytest.skip(f"tier {tier}: {error}")
    try:
        kernel = pool.kernel("a", NoFiles())
        fill = (
            "import os, tempfile\n"
            "for n in range(60):\n"
            "    os.makedirs(f'{tempfile.gettempdir()}/{n}/' + '/'.join('e' * 20))\n"
            "    os.chmod(f'{tempfile.gettempdir()}/{n}', 0)\n"
            "len(os.listdir(tempfile.gettempdir()))"
        )
        assert int((await run(kernel, fill)).output) >= 60
        await kernel.restart()
        look = (
            "import os, time\n"
            "print([name for name in os.listdir(os.environ['TMPDIR']) if name[0] != '.'])\n"
            "try: print(os.waitpid(-1, os.WNOHANG))\n"
            "except ChildProcessError: print('no child')\n"
            "while any(name.startswith('.tmp.') for name in os.listdir('.')): time.sleep(0.05)\n"
            "print(os.listdir('.'))"
        )
        assert (await run(kernel, look)).output == "[]\nno child\n['.tmp']\n"
    finally:
        await making.__aexit__(None, None, None)
