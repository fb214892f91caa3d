"""What a node is told when it starts, and what it keeps to itself: its token and Jupyter's folders."""

import json
import logging
import subprocess
import sys
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp import web

from bot.compose import kernels as composed
from bot.wording.error_messages import at_start
from config.settings import load
from kernels.client import NodeEndpoint, RemoteNode, at
from kernels.errors import NodeIncompatible
from kernels.limits import Limits
from kernels.node import PROTOCOL
from kernels.node.encoding import encode
from kernels.node.messages import NodeInfo
from kernels.node.settings import KernelSettings, NodeSettings
from tests.conftest import ROOT
from tests.contract.conftest import free_port, node_settings, noded
from tests.contract.files import SomeFiles
from tests.live.cells import value

TOKEN = "s3cr/t &tok'en"


def started(folder: Path, **told: object) -> "subprocess.CompletedProcess[str]":
    """A node that gets these settings on top of the required ones, and does not start."""
    settings = json.loads(node_settings(folder).to_json()) | {"tier": "none", **told}
    return subprocess.run(
        [sys.executable, "-m", "kernels.node"],
        cwd=ROOT,
        input=json.dumps(settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("token", ["", "  ", None])
def test_a_node_without_a_token_does_not_start(tmp_path: Path, token: str | None) -> None:
    """Anybody who reaches its port could run code in it."""
    done = started(tmp_path, address=f"127.0.0.1:{free_port()}", token=token)
    assert done.returncode == 2
    assert "token" in done.stderr
    assert not (tmp_path / "node").exists()


def test_a_node_that_somebody_starts_stays_until_it_is_told_otherwise(tmp_path: Path) -> None:
    """Nobody would restart it. A node that the bot starts is also restarted by the bot."""
    told = json.loads(node_settings(tmp_path).to_json())
    assert NodeSettings.from_json(json.dumps(told)).node_idle is not None
    del told["node_idle"]
    assert NodeSettings.from_json(json.dumps(told)).node_idle is None


async def test_a_bot_waits_for_a_node_that_is_still_starting(tmp_path: Path) -> None:
    """Both start when the machine does. Until its kernels are ready a node answers 503."""
    answers = [503, 503]

    async def node(_request: web.Request) -> web.Response:
        if answers:
            return web.Response(status=answers.pop())
        info = NodeInfo(PROTOCOL, 1, "a", "S", 0, node_settings(tmp_path).kernels)
        return web.Response(body=encode(info))

    app = web.Application()
    app.router.add_get("/kernelcord/node", node)
    port = free_port()
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        place = NodeEndpoint(f"http://127.0.0.1:{port}", TOKEN)
        async with RemoteNode(at(place), python=Path(sys.executable), limits=Limits()) as met:
            assert met.tier == "S"
        assert answers == []
    finally:
        await runner.cleanup()


async def test_neither_the_token_nor_a_folder_of_jupyters_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No line of the log has the token, however much is logged, not even URL-quoted."""
    temporary = tmp_path / "t"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    settings = replace(
        node_settings(tmp_path),
        token=TOKEN,
        tier="none",
        libraries=(),
        log_level="debug",
        address=f"127.0.0.1:{free_port()}",
    )
    async with noded(settings) as node:
        assert await value(node.kernel("a", SomeFiles()), "6 * 7") == "42"
        assert not list(temporary.glob("jupyter*"))
    log = (settings.folder / "log").read_text()
    assert "***" in log  # Jupyter's configuration, in full
    assert [line for line in log.splitlines() if TOKEN in line or quote(TOKEN) in line] == []
    assert repr(TOKEN)[1:-1] not in log
    assert not list(temporary.glob("jupyter*"))


def test_settings_that_a_node_elsewhere_decides_are_named_as_the_operator_has_them(tmp_path: Path) -> None:
    """Only those that are set, and none that the bot itself uses."""
    settings = load(
        data=tmp_path,
        node="http://127.0.0.1:1",
        max_memory="900MiB",
        preload="none",
        rate="5",
        cell_timeout="5m",
        state="on",
        transcript_retention="9d",
    )
    node = composed(settings)
    assert isinstance(node, RemoteNode)
    assert node._asked_for == {"memory": 900 << 20, "libraries": ()}
    assert node._called == {"memory": "MAX_MEMORY", "libraries": "PRELOAD"}
    known = {field.name for kind in (KernelSettings, Limits) for field in fields(kind)}
    everything = composed(load(data=tmp_path, node="http://127.0.0.1:1", **EVERYTHING))
    assert isinstance(everything, RemoteNode)
    assert everything._asked_for.keys() <= {*known, "node_idle"}
    assert len(everything._asked_for) == len(EVERYTHING)


EVERYTHING = {
    "max_text": "1MiB",
    "max_display": "1MiB",
    "max_file": "1MiB",
    "max_files": 1,
    "max_memory": "1GiB",
    "max_processes": 8,
    "max_cpus": 1,
    "max_workspace": "1GiB",
    "kernel_network": "host",
    "max_kernels": 1,
    "idle_timeout": "none",
    "sandbox": "none",
    "preload": "none",
    "kernel_python": "/usr/bin/python3",
    "node_idle": "1h",
    "state_quota": "2GiB",
    "state_disk": "9GiB",
}


def test_variables_are_saved_where_and_as_long_as_the_bot_is_told(tmp_path: Path) -> None:
    """In its data folder, unless it is switched off; another choice asks for another node."""
    given = {"state": "on", "state_quota": "2GiB", "state_disk": "9GiB", "transcript_retention": "9d"}
    on, off = composed(load(data=tmp_path, **given)), composed(load(data=tmp_path, state="off"))
    assert isinstance(on, RemoteNode)
    assert isinstance(off, RemoteNode)
    assert on._wanted is not None
    assert off._wanted is not None
    assert on._wanted.states == tmp_path / "states"
    assert (on._wanted.state_quota, on._wanted.state_disk) == (2 << 30, 9 << 30)
    assert on._wanted.states_kept == timedelta(days=9)
    assert off._wanted.states is None
    assert on._called["states"] == "STATE"


def test_a_node_of_another_version_is_told_with_what_to_do() -> None:
    """Without having to kill anything."""
    told = at_start(NodeIncompatible(17, newer=False))
    assert "process 17" in told
    assert "start one of this version" in told


def test_the_log_shows_no_settings_with_the_token(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """Even if somebody logs the settings as a value."""
    with caplog.at_level(logging.INFO):
        logging.getLogger("any").info("%r", node_settings(tmp_path))
    assert "secret" not in caplog.text
