"""The log at "info": one line for each thing that happens, with ids that join the bot's and the node's."""

import json
import os
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


async def test_what_an_operator_needs_is_in_the_log_once(tmp_path: Path) -> None:
    """Time-outs, kills, deaths, restarts and a lost node, and never what people write."""
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
        await program.run("1")  # which dies with it, if it was sent before the node's end was seen
        assert (await program.run("1"))["status"] == "ok"
    bot, kernels = said.read_text(), (node / "log").read_text()
    for line in (
        "the cell ended: ok after",
        "the cell ended: timeout (deadline) after",
        "the cell ended: died after",
    ):
        assert line in bot
    assert [f"[session=u1 cell={cell}]" in bot for cell in range(1, 6)] == [True] * 5
    once = {
        "the cell is interrupted: deadline [session=u1 cell=2]": 1,
        "the cell is interrupted: deadline [session=u1 cell=3]": 1,
        "the kernel is ended: it did not stop within 2 s [session=u1]": 1,
        "the kernel is ended: the kernel died [session=u1]": 1,
        "the kernel is restarted [session=u1]": 1,
        "a kernel has started [session=u1]": 3,  # at first, after the kill, and in the second node
    }
    assert {line: kernels.count(line) for line in once} == once
    assert bot.count("the kernel is lost: ") == 1
    assert bot.count("kernels live in the node of process") == 2
    assert SECRET not in bot + kernels
    assert "changes detected" not in bot + kernels
