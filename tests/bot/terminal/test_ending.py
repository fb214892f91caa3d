"""`python -m bot.console` told to end: a running cell gets a grace period, then goes on in its node."""

import asyncio
import json
import signal
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.program import PATIENCE, Program

LONG = "print('begun', flush=True); import time; time.sleep({}); kept = 41"


async def ended(program: Program) -> int:
    """The exit status, once the program has ended and all its output has been read."""
    async with asyncio.timeout(PATIENCE):
        status = await program.process.wait()
        await program._reader
    return status


async def test_a_cell_that_ends_in_the_grace_is_told_whole(tmp_path: Path) -> None:
    """Waiting requests are refused with a sentence; closing the terminal does the same."""
    async with Program.start(tmp_path / "data", NODE="none", SANDBOX="none", SHUTDOWN_GRACE="30s") as program:
        sent = program.send(code=LONG.format(1))
        await program.answer(id=sent, event="stream")
        behind = program.send(code="never = 1")
        await program.answer(id=program.send(user=2, files=True), event="files")
        program.process.send_signal(signal.SIGHUP)
        refused = await program.answer(id=behind, event="error")
        assert refused["error"] == "KernelClosed"
        assert await ended(program) == 128 + signal.SIGHUP
        assert (await program.answer(id=sent, event="result"))["status"] == "ok"


async def test_a_cell_that_takes_longer_goes_on_in_its_node(tmp_path: Path) -> None:
    """A sentence says so, and the next program shows the rest; a waiting `input()` gets no end of input."""
    data = tmp_path / "data"
    settings = {"SANDBOX": "none", "SHUTDOWN_GRACE": "0.2"}
    async with Program.start(data, **settings) as program:
        sent = program.send(code="name = input('who? '); kept = 41")
        await program.answer(id=sent, event="question")
        program.process.send_signal(signal.SIGTERM)
        told = await program.answer(id=sent, event="error")
        assert told["error"] == "GoesOn"
        assert "goes on" in told["message"]
        assert await ended(program) == 128 + signal.SIGTERM
        assert program.events(sent, "result") == []
    async with Program.start(data, **settings) as program:
        await program.answer(cell=1, event="question")
        program.send(input="Bob")
        assert (await program.answer(cell=1, event="result"))["status"] == "ok"
        assert (await program.run("name, kept"))["output"] == "('Bob', 41)\n"


async def test_when_nobody_reads_on_everybodys_cells_go_on_in_their_node(tmp_path: Path) -> None:
    """At once, whoever was printing, though requests could still come; the next program tells the results."""
    data, settings = tmp_path / "data", {"SANDBOX": "none", "SHUTDOWN_GRACE": "60s"}
    waits = "import pathlib, time\nwhile not pathlib.Path('go').exists(): time.sleep(0.05)\nkept = 41"
    async with Program.start(data, **settings) as program:
        await program.run("y = 1", user=2)
        prints = program.send(user=1, code=waits.replace("time.sleep", "print(1, flush=True), time.sleep"))
        program.send(user=2, code="open('silent', 'w').close()\n" + waits)
        await program.answer(id=prints, event="stream")
        async with asyncio.timeout(PATIENCE):
            while not (data / "workspaces" / "u2" / "silent").exists():  # noqa: ASYNC110  it tells nobody
                await asyncio.sleep(0.02)
        program.process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]
        assert await ended(program) == 128 + signal.SIGPIPE
    for user in "12":
        (data / "workspaces" / f"u{user}" / "go").touch()
    async with Program.start(data, **settings) as program:
        for user, cell in ((1, 1), (2, 2)):
            told = await program.answer(user=user, cell=cell, event="result")
            assert (told["status"], told["lost"]) == ("ok", [])
            assert (await program.run("kept", user=user))["output"] == "41\n"


async def test_without_a_node_a_longer_cell_ends_with_its_kernel_and_has_a_result(tmp_path: Path) -> None:
    """The result comes from the same program, which leaves no process behind."""
    settings = {"NODE": "none", "SANDBOX": "none", "SHUTDOWN_GRACE": "0.2"}
    async with Program.start(tmp_path / "data", **settings) as program:
        sent = program.send(code=LONG.format(600))
        await program.answer(id=sent, event="stream")
        program.process.send_signal(signal.SIGTERM)
        assert (await program.answer(id=sent, event="result"))["status"] == "died"
        assert await ended(program) == 128 + signal.SIGTERM


@pytest.mark.parametrize(
    "script", ["", "print('begun', flush=True); import time; time.sleep(600)\n# %%\nx = 1"]
)
async def test_a_script_ends_in_words(tmp_path: Path, script: str) -> None:
    """Even one that is not read to its end: nothing waits for standard input."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot.console", "--data", str(tmp_path / "data"), "--shutdown-grace", "0.2"),
        *("--preload", "none", "--sandbox", "none", "--log-level", "info"),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    async with asyncio.timeout(PATIENCE):
        await process.stderr.readuntil(b"kernels live in")
        if script:
            process.stdin.write(script.encode())
            process.stdin.close()
            await process.stdout.readuntil(b"begun")
        else:
            await asyncio.sleep(0.5)  # it is waiting for input by now; nothing shows that
        process.send_signal(signal.SIGTERM)
        told = await process.stdout.read()
        assert await process.wait() == 128 + signal.SIGTERM
    assert (b"The cell goes on" in told) == bool(script)


async def test_a_replay_that_is_given_up_leaves_nothing_running(tmp_path: Path) -> None:
    """Neither its kernel nor a partial notebook."""
    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "id": "a"}
    cells = [cell | {"source": "open('begun', 'w').close(); import time; time.sleep(600)"}]
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}
    (tmp_path / "in.ipynb").write_text(json.dumps(notebook))
    data = tmp_path / "data"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot.console", "--data", str(data), "--preload", "none", "--sandbox", "none"),
        *("--replay", str(tmp_path / "in.ipynb"), "--out", str(tmp_path / "out.ipynb")),
        cwd=ROOT,
        stderr=asyncio.subprocess.DEVNULL,
    )
    async with asyncio.timeout(PATIENCE):
        while not [*data.glob("workspaces/*/begun")]:  # noqa: ASYNC110  nothing tells
            await asyncio.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 128 + signal.SIGTERM
    assert not (tmp_path / "out.ipynb").exists()
    assert not [*data.glob("workspaces/[!.]*/begun")]  # what is being removed has a hidden name
