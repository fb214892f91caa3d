"""Jupyter's own programs with our kernels, through the kernel spec that names our provisioner."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import jupyter_kernel_test
import nbformat
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import AsyncKernelManager, start_new_kernel
from nbclient import NotebookClient

from kernels import kernelspec
from kernels.errors import KernelStartFailed
from kernels.process import jupyter_sandbox
from kernels.provisioner import ConfinedProvisioner
from tests.conftest import KERNEL_PYTHON
from tests.live.cells import PATIENCE, holding, processes, until

PLOT = "import matplotlib.pyplot as plt\nimport pandas as pd\npd.Series([1, 3, 2]).plot()\nplt.show()"

FAILING_LATE = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.1)\n1/0"


@pytest.fixture(scope="module", autouse=True)
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A Jupyter that knows our kernel spec, and the folder that must be empty again at the end."""
    top = tmp_path_factory.mktemp("jupyter")
    kernelspec.write(top / "kernels", KERNEL_PYTHON)
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", folder)
        patch.setenv("TMPDIR", folder)
        patch.setenv("JUPYTER_PATH", str(top))
        patch.setenv("JUPYTER_RUNTIME_DIR", str(top / "runtime"))
        yield Path(folder)
        jupyter_sandbox.close()
        assert list(Path(folder).iterdir()) == []


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The program's working folder, where its kernels write, so that it is not the checkout."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("folder"))
        yield


@pytest.fixture
def left_as_it_was(temporary: Path, tmp_path: Path) -> Iterator[None]:
    """Check that the test's kernel leaves no process, socket, connection file or folder."""
    jupyter_sandbox.shared(str(KERNEL_PYTHON), "")
    runtime = Path(os.environ["JUPYTER_RUNTIME_DIR"])
    before = {*temporary.iterdir(), *runtime.glob("*")}
    yield
    assert {*temporary.iterdir(), *runtime.glob("*")} == before
    assert holding(tmp_path) == set()


def result(client: BlockingKernelClient, expression: str) -> str:
    """The value of an expression, through a stock client."""
    reply = client.execute_interactive("", user_expressions={"x": expression}, timeout=PATIENCE)
    told: Any = reply["content"]["user_expressions"]["x"]
    return str(told["data"]["text/plain"] if told["status"] == "ok" else told["ename"])


async def value(client: Any, expression: str) -> str:
    """The value of an expression, through an asynchronous stock client."""
    reply = await client.execute("", user_expressions={"x": expression}, reply=True, timeout=PATIENCE)
    told: Any = reply["content"]["user_expressions"]["x"]
    return str(told["data"]["text/plain"] if told["status"] == "ok" else told["ename"])


@pytest.mark.usefixtures("left_as_it_was")
async def test_an_asynchronous_client(tmp_path: Path) -> None:
    """A kernel starts in the given folder, has a heartbeat, and loses its variables on a restart."""
    manager = AsyncKernelManager(kernel_name=kernelspec.NAME)
    await manager.start_kernel(cwd=str(tmp_path))
    assert manager.transport == "ipc"
    client = manager.client()
    client.start_channels()
    await client.wait_for_ready(timeout=PATIENCE)
    assert await value(client, "open('a.txt', 'w').write('a')") == "1"
    assert (tmp_path / "a.txt").read_text() == "a"
    assert await value(client, "globals().update(x=1)") == "None"
    connection = Path(manager.connection_file).read_bytes()
    for now in (False, True):
        await manager.restart_kernel(now=now)
        await client.wait_for_ready(timeout=PATIENCE)
        assert await value(client, "x") == "NameError"
    assert Path(manager.connection_file).read_bytes() == connection
    assert await client.is_alive()
    client.stop_channels()
    await manager.shutdown_kernel()
    assert not await manager.is_alive()


@pytest.mark.usefixtures("left_as_it_was")
def test_a_blocking_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same without an event loop in the caller; the kernel uses the program's folder."""
    monkeypatch.chdir(tmp_path)
    manager, client = start_new_kernel(kernel_name=kernelspec.NAME)
    assert result(client, "2 + 2") == "4"
    assert result(client, "open('a.txt', 'w').write('a')") == "1"
    assert (tmp_path / "a.txt").exists()
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    assert not manager.is_alive()


@pytest.mark.usefixtures("left_as_it_was")
async def test_an_interrupt_ends_the_cell(tmp_path: Path) -> None:
    """It is sent as a message, and the kernel keeps its variables."""
    manager = AsyncKernelManager(kernel_name=kernelspec.NAME)
    await manager.start_kernel(cwd=str(tmp_path))
    client = manager.client()
    client.start_channels()
    await client.wait_for_ready(timeout=PATIENCE)
    running = asyncio.create_task(
        client.execute("x = 1\nprint('up', flush=True)\nimport time\ntime.sleep(600)", reply=True)
    )
    async with asyncio.timeout(PATIENCE):
        while (await client.get_iopub_msg())["msg_type"] != "stream":
            pass
        await manager.interrupt_kernel()
        reply = await running
        assert reply["content"].get("ename") == "KeyboardInterrupt", reply
    assert await value(client, "x") == "1"
    client.stop_channels()
    await manager.shutdown_kernel()


@pytest.mark.usefixtures("left_as_it_was")
async def test_an_error_ends_what_waits_and_nothing_that_comes_after(tmp_path: Path) -> None:
    """Cells sent together with the failing one are aborted; the next one sent is run."""
    manager = AsyncKernelManager(kernel_name=kernelspec.NAME)
    await manager.start_kernel(cwd=str(tmp_path))
    client = manager.client()
    client.start_channels()
    await client.wait_for_ready(timeout=PATIENCE)
    first, second = client.execute(FAILING_LATE), client.execute("1")
    (tmp_path / "go").touch()
    replies = [await client.get_shell_msg(timeout=PATIENCE) for _ in range(2)]
    told = {one["parent_header"]["msg_id"]: one["content"]["status"] for one in replies}
    assert told == {first: "error", second: "aborted"}
    for _ in range(20):
        assert (await client.execute("1/0", reply=True))["content"]["status"] == "error"
        assert (await client.execute("1", reply=True))["content"]["status"] == "ok"
    client.stop_channels()
    await manager.shutdown_kernel()


@pytest.mark.usefixtures("left_as_it_was")
async def test_a_crash_is_noticed(tmp_path: Path) -> None:
    """The manager sees the end and its exit code, and restarts the kernel on the same sockets."""
    manager = AsyncKernelManager(kernel_name=kernelspec.NAME)
    await manager.start_kernel(cwd=str(tmp_path))
    client = manager.client()
    client.start_channels()
    await client.wait_for_ready(timeout=PATIENCE)
    client.execute("import os; os._exit(3)")
    assert isinstance(manager.provisioner, ConfinedProvisioner)
    async with asyncio.timeout(PATIENCE):
        assert await manager.provisioner.wait() == 3
    assert not await manager.is_alive()
    await manager.restart_kernel(now=True)
    await client.wait_for_ready(timeout=PATIENCE)
    assert await value(client, "2 + 2") == "4"
    client.stop_channels()
    await manager.shutdown_kernel()


@pytest.mark.usefixtures("left_as_it_was")
async def test_a_notebook_with_a_plot(tmp_path: Path) -> None:
    """nbclient runs a notebook cell by cell and keeps the picture."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(PLOT)])
    client = NotebookClient(notebook, kernel_name=kernelspec.NAME, timeout=PATIENCE)
    await client.async_execute(cwd=str(tmp_path))
    assert "image/png" in notebook.cells[0].outputs[-1].data


def test_nbconvert_executes(temporary: Path, tmp_path: Path) -> None:
    """The Jupyter command, in a process of its own, leaves nothing behind."""
    cells = [nbformat.v4.new_code_cell(code) for code in (PLOT, "open('made.txt', 'w').write('made')")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "in.ipynb")
    before = set(temporary.iterdir())
    command = ["-m", "jupyter", "nbconvert", "--execute", "--to", "notebook", "--output", "out.ipynb"]
    kernel = f"--ExecutePreprocessor.kernel_name={kernelspec.NAME}"
    subprocess.run([sys.executable, *command, kernel, "in.ipynb"], cwd=tmp_path, check=True, timeout=170)
    (plot, made) = nbformat.read(tmp_path / "out.ipynb", 4).cells
    assert "image/png" in plot.outputs[-1].data
    assert (made.execution_count, (tmp_path / "made.txt").read_text()) == (2, "made")
    assert set(temporary.iterdir()) == before


@pytest.mark.parametrize("tier", ["A", "B"])
async def test_a_detached_kernel_is_found_again(tmp_path: Path, tier: str) -> None:
    """What one program writes down lets another use, poll and end the kernel."""
    manager = AsyncKernelManager(kernel_name=kernelspec.NAME)
    manager.provisioner = ConfinedProvisioner(
        parent=manager, kernel_spec=manager.kernel_spec, python=str(KERNEL_PYTHON), tier=tier
    )
    await manager.start_kernel(cwd=str(tmp_path))
    info = json.loads(json.dumps(await manager.provisioner.get_provisioner_info()))
    manager.provisioner.detach()
    manager._close_control_socket()
    await manager.provisioner.cleanup()
    manager.context.destroy(linger=0)

    other = AsyncKernelManager(kernel_name=kernelspec.NAME, connection_file=manager.connection_file)
    other.load_connection_file()
    other.provisioner = ConfinedProvisioner(parent=other, kernel_spec=other.kernel_spec)
    await other.provisioner.load_provisioner_info(info)
    assert await other.is_alive()
    client = other.client()
    client.start_channels()
    await client.wait_for_ready(timeout=PATIENCE)
    mark = f"97{os.getpid()}"
    code = f"import subprocess\nsubprocess.Popen(['sleep', '{mark}'], start_new_session=True)"
    await client.execute(code, reply=True, timeout=PATIENCE)
    assert processes(f"sleep\0{mark}")
    client.stop_channels()
    await other.shutdown_kernel(now=True)
    assert not await other.is_alive()
    await until(lambda: not processes(f"sleep\0{mark}"))
    assert not Path(info["folder"]).exists()
    manager.cleanup_connection_file()


async def test_a_kernel_that_is_gone_is_not_alive(tmp_path: Path) -> None:
    """A process id that now belongs to another process, or to none, is no kernel."""
    for pid, start in ((os.getpid(), "1"), (1 << 22, "1")):
        provisioner = ConfinedProvisioner()
        told = {"kernel_id": "a", "connection_info": {"key": "k"}, "pid": pid, "started": start, "folder": ""}
        await provisioner.load_provisioner_info(told)
        assert await provisioner.poll() == await provisioner.wait() == -9
        await provisioner.send_signal(9)
        await provisioner.kill()
        await provisioner.cleanup()


async def test_the_whole_machine_is_no_workspace() -> None:
    """A Jupyter started in / is told why its kernels do not start there."""
    manager = AsyncKernelManager(kernel_name=kernelspec.NAME)
    with pytest.raises(KernelStartFailed, match="cannot be /"):
        await manager.start_kernel(cwd="/")
    await manager.cleanup_resources()


def test_tier_s_is_not_for_jupyter() -> None:
    """It would give the notebook's folder to another user."""
    with pytest.raises(ValueError, match=r"tier A .* or tier B "):
        jupyter_sandbox.shared(str(KERNEL_PYTHON), "S")


class TestStockSuite(jupyter_kernel_test.KernelTests):
    """Jupyter's own requirements of a kernel."""

    test_history = None  # our kernels keep no history
    kernel_name = kernelspec.NAME
    language_name = "python"
    file_extension = ".py"
    code_hello_world = "print('hello, world')"
    code_stderr = "import sys; print('test', file=sys.stderr)"
    completion_samples: ClassVar = [{"text": "zi", "matches": {"zip"}}]
    complete_code_samples: ClassVar = ["1", "print('hello, world')", "def f(x):\n  return x*2\n\n\n"]
    incomplete_code_samples: ClassVar = ["print('''hello", "def f(x):\n  x*2"]
    invalid_code_samples: ClassVar = ["import = 7q"]
    code_page_something = "zip?"
    code_generate_error = "raise ValueError"
    code_execute_result: ClassVar = [{"code": "6*7", "result": "42"}]
    code_display_data: ClassVar = [
        {"code": "from IPython.display import HTML, display; display(HTML('<b>t</b>'))", "mime": "text/html"}
    ]
    code_inspect_sample = "zip"
    code_clear_output = "from IPython.display import clear_output; clear_output()"


class TestStockWelcome(jupyter_kernel_test.IopubWelcomeTests):
    """The message that tells a subscriber that it now receives everything."""

    kernel_name = kernelspec.NAME
    support_iopub_welcome = True
