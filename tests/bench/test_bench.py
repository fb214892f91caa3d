"""The benchmarks: how they measure, what they print, and that an interrupted run leaves nothing behind."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from bench.__main__ import SUBJECTS, main
from bench.ground import Ground, Scale
from bench.measure import HEADER, Figure, Samples, Trial, interleaved, json_line, table

ONCE = Scale(
    starts=1,
    cells=1,
    kernels=1,
    bursts=1,
    burst=1,
    single_files=1,
    many_files=1,
    large_files=1,
    turns=2,
    notebooks=1,
    idle=1,
    crowd=1,
    crowds=1,
    idle_rounds=1,
    quiet=1,
    saves=1,
    people=2,
)
PATIENCE = 120.0  # seconds


async def test_what_is_compared_takes_turns() -> None:
    """Ours and theirs are run in turn, and the warm-up rounds do not count."""
    order: list[str] = []

    def trial(name: str) -> Trial:
        async def run() -> float:
            order.append(name)
            return float(len(order))

        return run

    samples = await interleaved(trial("a"), trial("b"), 2, warm=1)
    assert order == ["a", "b"] * 3
    assert samples == Samples((3.0, 5.0), (4.0, 6.0))


def test_ratio_is_the_median_of_the_pairs() -> None:
    """A disturbance that affects both measurements of a pair does not change the ratio."""
    figure = Figure("f", "ms", Samples((1.0, 100.0, 4.0), (2.0, 200.0, 4.0)), "stock")
    assert (figure.ours, figure.theirs, figure.ratio) == (4.0, 4.0, 0.5)


def test_other_quantile_is_compared_as_such() -> None:
    """A p99 is a measured value, and its ratio is that of the two p99s."""
    hundred = tuple(float(number) for number in range(1, 101))
    figure = Figure("f", "ms", Samples(hundred, tuple(2 * number for number in hundred)), quantile=0.99)
    assert (figure.ours, figure.theirs, figure.ratio) == (99.0, 198.0, 0.5)


def test_nothing_beside_means_no_ratio() -> None:
    """A figure without a counterpart, or whose counterpart is always zero, has no ratio."""
    assert Figure("f", "ms", Samples((1.0,))).ratio is None
    assert Figure("f", "", Samples((1.0,), (0.0,))).ratio is None


def test_table_lines_up() -> None:
    """Every row has the header's columns, aligned with them."""
    figures = [
        Figure("one", "ms", Samples((1234.5,), (2.0,)), "stock", "<= 1 x"),
        Figure("two", "", Samples((0.5,))),
    ]
    rows = table(figures).splitlines()
    assert len(rows) == 4
    assert len({len(row) for row in rows}) == 1
    assert [row.count("|") for row in rows] == [len(HEADER) + 1] * 4
    assert "| 1,234 ms" in rows[2]
    assert "2.00 ms stock" in rows[2]


def test_json_line_is_one_line_with_raw_values() -> None:
    """Programs get the measured values, not those rounded for people."""
    line = json_line([Figure("one", "ms", Samples((1 / 3,)))], machine={"cores": 2}, quick=True)
    assert "\n" not in line
    told = json.loads(line)
    assert told["machine"] == {"cores": 2}
    assert told["figures"][0]["kernelcord"] == 1 / 3
    assert told["figures"][0]["other"] is None


def test_real_run_prints_the_machine_the_table_and_the_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Real subjects are measured and printed, and the folder that they worked in is removed."""
    monkeypatch.setenv("KERNELCORD_DATA", str(tmp_path))
    assert main(["--quick", "notebook", "turn"], quick=ONCE) == 0
    about, rows, line = capsys.readouterr().out.strip().split("\n\n")
    assert "ipykernel" in about
    told = json.loads(line)
    names = [figure["name"] for figure in told["figures"]]
    assert [row.split("|")[1].strip() for row in rows.splitlines()[2:]] == names
    assert names == ["notebook, 500 cells, 100 pictures", "whole turn", "whole turn through the node"]
    assert all(figure["ratio"] > 0 for figure in told["figures"])
    assert [figure["samples"] for figure in told["figures"]] == [1, 2, 2]
    assert told["quick"] is True
    assert list(tmp_path.iterdir()) == []


def test_a_subject_that_fails_does_not_take_the_others_with_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It is named, the exit status is not 0, and what was measured is printed."""

    async def failing(_: Ground) -> list[Figure]:
        raise RuntimeError("Kernel died before replying")

    async def measured(_: Ground) -> list[Figure]:
        return [Figure("one", "ms", Samples((1.0,)))]

    monkeypatch.setenv("KERNELCORD_DATA", str(tmp_path))
    assert main([], subjects={"crowd": failing, "start": measured}) == 1
    assert "crowd could not be measured" in caplog.text
    line = capsys.readouterr().out.splitlines()[-1]
    assert [figure["name"] for figure in json.loads(line)["figures"]] == ["one"]


def test_unknown_subject_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown subject is reported before anything is measured."""
    with pytest.raises(SystemExit):
        main(["nonsense"])
    told = capsys.readouterr().err
    assert all(name in told for name in ("nonsense", *SUBJECTS))


@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.soak)],  # both end it in the same way
    ids=lambda number: number.name,
)
async def test_interrupted_run_leaves_nothing(root: Path, tmp_path: Path, number: signal.Signals) -> None:
    """A signal that comes while kernels of both kinds are alive leaves no process and no file behind."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bench", "--quick", "rate"),
        cwd=root,
        env=os.environ | {"KERNELCORD_DATA": str(tmp_path)},
        stderr=asyncio.subprocess.DEVNULL,
    )
    async with asyncio.timeout(PATIENCE):
        while not all(_below(process.pid, kind) for kind in ("ipykernel_launcher", "zygote.py")):
            assert process.returncode is None
            await asyncio.sleep(0.05)  # nothing reports when another program's children have started
        started = _below(process.pid)
        process.send_signal(number)
        assert await process.wait() == 130
    assert [pid for pid in started if Path(f"/proc/{pid}").exists()] == []
    assert list(tmp_path.iterdir()) == []


def _below(pid: int, kind: str = "") -> list[int]:
    """The descendants of a process that have `kind` in their command line."""
    found = []
    with contextlib.suppress(OSError):  # it may have ended in the meantime
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                if kind.encode() in Path(f"/proc/{child}/cmdline").read_bytes():
                    found.append(child)
                found += _below(child, kind)
    return found
