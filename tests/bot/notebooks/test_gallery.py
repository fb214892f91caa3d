"""A notebook of all that libraries show has the same outputs run by nbclient in a stock kernel and by us."""

import asyncio
import json
import re
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

from bot.compose import compose
from bot.discord.format.pieces import TextPiece, pieces
from bot.notebooks.bundle import replayed
from bot.notebooks.replay import replay
from bot.reply import Reply
from bot.request import Request
from bot.rich import says_nothing
from bot.sessions import Sessions
from config.settings import load
from kernels.notebooks.conversion import reading
from kernels.notebooks.diff import diff_outputs
from kernels.notebooks.sanitize.outputs import sanitize_outputs
from tests.bot.notebooks.gallery import GALLERY, NAMED_ONLY, SETUP, SURROUNDINGS, Shown
from tests.conftest import KERNEL_PYTHON

STOCK = [str(KERNEL_PYTHON), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
PICTURE = {"image/png": "iVBORw0KGgo="}
HANDLE = ["h = display('a', display_id=True); print('x')", "h.update('b'); display('c', display_id='mine')"]
UPDATING = [*HANDLE, "h.update(pd.DataFrame({'a': [1]}))", "display('d', display_id='mine', update=True)"]
PLAIN = [
    "print('10%', end='\\r'); print('20%')\nfor n in range(3): print(n, end='\\b')",
    "!echo hi; echo there >&2",
    "1 / 0",
    "df.nowhere",
    "from IPython.display import clear_output\nprint('gone'); clear_output(); print('here')",
    "x = 3\nx",
    "%psearch nothinghere*",
    "print(__doc__)",
]
AS_IT_WAS = [
    {
        "cell_type": "markdown",
        "id": "words",
        "source": "![](attachment:a.png) $x^2$ <b>b</b>",
        "metadata": {"slideshow": {"slide_type": "slide"}},
        "attachments": {"a.png": PICTURE},
    },
    {"cell_type": "raw", "id": "raw", "source": "\\newpage", "metadata": {"raw_mimetype": "text/latex"}},
    {"cell_type": "raw", "id": "raw-2", "source": "---", "metadata": {}},
]
HELP = "len?"  # is shown here, but goes to a pager there, which nbclient does not have
ABOUT = {
    "title": "Gallery",
    "authors": [{"name": "Ada"}],
    "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
}
CHANGING = re.compile(
    r"\d\d:\d\d:\d\d|(?<=\d{4}-\d\d-\d\d )\d\d:\d\d"
    r"|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}|T_[0-9a-f]{5}|(?<=sk-)[a-z-]+id-\d+"
)


class StockKernel(AsyncKernelManager):
    """A kernel as Jupyter starts it, in the environment that our kernels use."""

    @property
    def kernel_spec(self) -> KernelSpec:  # type: ignore[override]
        """The spec that says how to start it."""
        return KernelSpec(argv=STOCK, display_name="stock", language="python")


def book(codes: list[str]) -> dict[str, Any]:
    """A notebook that begins with cells that are not code, followed by these."""
    cells = [
        {
            "cell_type": "code",
            "id": f"code-{number}",
            "source": code,
            "metadata": {"tags": ["mine"], "jupyter": {"source_hidden": True}},
            "outputs": [],
            "execution_count": None,
        }
        for number, code in enumerate(codes)
    ]
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": ABOUT, "cells": [*AS_IT_WAS, *cells]}


async def by_nbclient(document: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The notebook, run in a stock kernel."""
    run = nbformat.from_dict(json.loads(json.dumps(document)))
    told = {"metadata": {"path": str(folder)}}
    client = NotebookClient(
        run,
        allow_errors=True,
        timeout=200,
        kernel_manager_class=StockKernel,
        resources=told,
        record_timing=False,
    )
    await client.async_execute()
    done: dict[str, Any] = json.loads(json.dumps(run))
    return done


async def by_us(sessions: Sessions, document: dict[str, Any]) -> dict[str, Any]:
    """The notebook, run again in a person's kernel and written."""

    async def tell(_reply: Reply) -> None:
        pass

    session = await sessions.session(1, "terminal")
    with tempfile.TemporaryFile() as file, tempfile.TemporaryFile() as target:
        file.write(json.dumps(document).encode())
        file.flush()
        async with reading(file) as imported:
            assert imported.notes == ()
            message = Request(1, "a", "terminal")
            async for _ in replay(session, imported, message, tell, keep_going=True):
                pass
            await replayed(session, imported, target)
        target.seek(0)
        written: dict[str, Any] = json.loads(target.read())
    nbformat.validate(written)
    return written


CODES = [SETUP, SURROUNDINGS, *(one.code for one in GALLERY), *UPDATING, *PLAIN]


def outputs(run: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """What each code cell shows, texts as one string each."""
    shown = [cell["outputs"] for cell in run["cells"] if cell["cell_type"] == "code"]
    return [sanitize_outputs(each) for each in shown]


def kinds(shown: list[dict[str, Any]]) -> set[str]:
    """The kinds, and streams, of a cell's outputs."""
    found: set[str] = set()
    for output in shown:
        found |= set(output.get("data", {})) or {output.get("name") or output["output_type"]}
    return found


def markup(shown: list[dict[str, Any]]) -> list[str]:
    """The HTML and SVG of a cell's outputs, without their random parts."""
    bundles = [output.get("data", {}) for output in shown]
    texts = [str(bundle.get("text/html", "")) + str(bundle.get("text/latex", "")) for bundle in bundles]
    return [CHANGING.sub("", text) for text in texts if text]


@pytest.mark.timeout(240)
async def test_a_replayed_notebook_is_that_of_nbclient(tmp_path: Path) -> None:
    """Except for what the gallery names. Libraries find the same environment, and everything else is kept."""
    document = book(CODES)
    (tmp_path / "stock").mkdir()
    settings = load(data=tmp_path / "data", cell_timeout=timedelta(seconds=100), node="none")
    async with compose(settings) as sessions:
        stock, ours = await asyncio.gather(
            by_nbclient(document, tmp_path / "stock"), by_us(sessions, document)
        )
    for cell, before in zip(ours["cells"], document["cells"], strict=True):
        cell["metadata"].pop("kernelcord", None)
        kept = {key: value for key, value in before.items() if key not in ("outputs", "execution_count")}
        cell["source"] = "".join(cell["source"])
        assert {key: cell[key] for key in kept} == kept
    assert {key: ours["metadata"][key] for key in ABOUT} == ABOUT
    stock = json.loads(json.dumps(stock).replace(str(tmp_path / "stock"), "/workspace"))
    raw = [cell["outputs"] for cell in stock["cells"] if cell["cell_type"] == "code"]
    both = list(zip(CODES, outputs(stock), outputs(ours), strict=True))
    told = [(code, *differs(theirs, mine)) for code, theirs, mine in both if code != HELP]
    assert [difference for difference in told if len(difference) > 1] == []
    (helped,) = (mine for code, theirs, mine in both if code == HELP and not theirs)
    assert "Return the number of items" in helped[0]["data"]["text/plain"]
    for one, theirs, mine in zip(GALLERY, raw[2:], outputs(ours)[2:], strict=False):
        check(one, theirs, mine)


def differs(theirs: list[dict[str, Any]], mine: list[dict[str, Any]]) -> list[str]:
    """How our outputs of a cell differ, in what a person would see or in a single character of markup."""
    found = [told for told in diff_outputs(theirs, mine) if "only times" not in told]
    if kinds(theirs) != kinds(mine):
        found.append(f"{kinds(mine)} instead of {kinds(theirs)}")
    found += [
        f"{new} instead of {old}"
        for old, new in zip(markup(theirs), markup(mine), strict=False)
        if old != new
    ]
    return found


def unseen(shown: list[dict[str, Any]]) -> list[str]:
    """Outputs that would show nothing but a class name in a message."""
    texts = [piece.text.strip() for piece in pieces(shown) if isinstance(piece, TextPiece)]
    return [text for text in texts if says_nothing({"text/plain": text.partition("\n[")[0]})]


def check(one: Shown, theirs: list[dict[str, Any]], mine: list[dict[str, Any]]) -> None:
    """Check that the gallery is right: every kind is kept, or left out for the reason that it gives."""
    assert kinds(theirs) == set(one.kinds.split()) | set(one.left_out), one.name
    assert kinds(mine) >= set(one.kinds.split()) - set(one.left_out), one.name
    text = "\n".join(str(output.get("data", {}).get("text/plain", "")) for output in mine)
    for kind, reason in one.left_out.items():
        assert f"[{kind} left out: {reason}]" in text, one.name
    assert ("[scripts in text/html left out]" in text) is one.scripts, one.name
    assert one.left_out or one.name in NAMED_ONLY or not unseen(mine), one.name
    assert text.count(" left out") == len(one.left_out) + one.scripts, one.name
