"""The log at "info": one line for each event, with ids that link the bot's log to the node's."""

import json
import os
import re
import signal
from pathlib import Path

from tests.program import Program

STUBBORN = """
import time
while True:
    try: time.sleep(1)
    except KeyboardInterrupt: pass
"""
SECRET = "a_word_of_mine"


def turns_of(log: str) -> dict[int, str]:
    """The turns of the cells that have ended, as the bot's log names them."""
    found = re.findall(r"cell finished: .* \[session=u1 cell=(\d+) turn=([0-9a-f]{8})\]", log)
    return {int(cell): turn for cell, turn in found}


async def test_what_an_operator_needs_is_in_the_log_once(tmp_path: Path) -> None:
    """Timeouts, kills, deaths, restarts and a lost node, but never what people write."""
    data, said = tmp_path / "data", tmp_path / "bot.log"
    into = ["sh", "-c", f'exec "$0" "$@" 2> {said}']
    flags = ("--log-level", "info", "--timeout", "1s")
    async with Program.start(data, *flags, within=into, SANDBOX="none") as program:
        assert (await program.run(f"{SECRET} = 1"))["status"] == "ok"
        assert (await program.run("while True: pass"))["status"] == "timeout"
        assert (await program.run(STUBBORN))["status"] == "timeout"
        assert (await program.run("import os; os._exit(5)"))["status"] == "died"
        await program.answer(id=program.send(user=1, reset=True), event="reset")
        node = data / "node"
        os.kill(json.loads((node / "node.json").read_bytes())["pid"], signal.SIGKILL)
        await program.run("1")  # dies with the node if it is sent before the bot notices its end
        assert (await program.run("1"))["status"] == "ok"
    bot, kernels = said.read_text(), (node / "log").read_text()
    for line in (
        "cell finished: ok after",
        "cell finished: timeout (deadline) after",
        "cell finished: died after",
    ):
        assert line in bot
    turns = turns_of(bot)
    assert [*turns] == [1, 2, 3, 4, 5, 6][: len(turns)]
    assert len(set(turns.values())) == len(turns) >= 5
    once = {
        f"cell started [session=u1 cell=1 turn={turns[1]}]": 1,
        f"cell finished: ok [session=u1 cell=1 turn={turns[1]}]": 1,
        f"cell interrupted: deadline [session=u1 cell=2 turn={turns[2]}]": 1,
        f"cell finished: timeout (deadline) [session=u1 cell=2 turn={turns[2]}]": 1,
        f"cell interrupted: deadline [session=u1 cell=3 turn={turns[3]}]": 1,
        f"the kernel is ended: it did not stop within 2 s [session=u1 cell=3 turn={turns[3]}]": 1,
        f"the kernel is ended: the kernel died [session=u1 cell=4 turn={turns[4]}]": 1,
        f"cell finished: died [session=u1 cell=4 turn={turns[4]}]": 1,
        "the kernel is restarted [session=u1]": 1,
        "a kernel has started [session=u1]": 3,  # at first, after the kill, and in the second node
    }
    assert {line: kernels.count(line) for line in once} == once
    assert bot.count("the kernel is lost: ") == 1
    assert bot.count("kernels live in the node of process") == 2
    assert SECRET not in bot + kernels
    assert "changes detected" not in bot + kernels


async def test_a_turn_has_one_name_in_all_logs(tmp_path: Path) -> None:
    """In the bot's, the node's, and that of the bot that continues it; a replay is one turn."""
    data, logs = tmp_path / "data", [tmp_path / "first.log", tmp_path / "second.log"]
    withins = [["sh", "-c", f'exec "$0" "$@" 2> {path}'] for path in logs]
    settings = {"LOG_LEVEL": "info", "SANDBOX": "none"}
    notebook = tmp_path / "two.ipynb"
    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    cells = [cell | {"id": name, "source": name} for name in ("1", "2")]
    notebook.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}))
    async with Program.start(data, "--log-level", "info", within=withins[0], **settings) as program:
        program.send(replay=str(notebook))
        await program.answer(event="replayed")
        sent = program.send(code="print('begun', flush=True); import time; time.sleep(2)")
        await program.answer(id=sent, event="stream")
        await program.kill()
    async with Program.start(data, "--log-level", "info", within=withins[1], **settings) as program:
        await program.answer(cell=3, event="result")
    first, second = (turns_of(path.read_text()) for path in logs)
    assert first[1] == first[2] != second[3]
    turns = first | second
    kernels = (data / "node" / "log").read_text()
    for number in (1, 2, 3):
        ids = f"[session=u1 cell={number} turn={turns[number]}]"
        assert kernels.count(f"cell started {ids}") == kernels.count(f"cell finished: ok {ids}") == 1
