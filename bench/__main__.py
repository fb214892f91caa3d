"""`python -m bench [--quick] [SUBJECT ...]`: measure, print the machine, a table and one JSON line.

Progress goes to standard error. Nothing is left behind, even if the run is interrupted by Ctrl-C, SIGTERM or
SIGHUP.
"""

import asyncio
import logging
import signal
import sys
from argparse import ArgumentParser
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.ground import FULL, QUICK, Ground, Scale
from bench.machine import machine, sentence
from bench.measure import Figure, json_line, table
from bench.subjects import capture, cells, crowd, neighbours, notebook, processes, start, states, turn
from config.settings import load

Subjects = Mapping[str, Callable[[Ground], Awaitable[list[Figure]]]]

SUBJECTS: Subjects = {
    "start": start.figures,
    "crowd": crowd.figures,
    "latency": cells.latency,
    "node": cells.through_node,
    "rate": cells.rate,
    "capture": capture.figures,
    "turn": turn.figures,
    "notebook": notebook.figures,
    "processes": processes.figures,
    "states": states.figures,
    "neighbours": neighbours.figures,
}


log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None, *, subjects: Subjects = SUBJECTS, quick: Scale = QUICK) -> int:
    """Run the benchmarks, at the scale `quick` with `--quick`; returns the exit status."""
    parser = ArgumentParser(prog="python -m bench", description="Measure Kernelcord beside stock Jupyter.")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions: a minute, not six")
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=f"of {', '.join(subjects)}; else all")
    args = parser.parse_args(argv)
    if unknown := set(args.subjects) - set(subjects):
        parser.error(f"no such subject: {', '.join(sorted(unknown))}; there are {', '.join(subjects)}")
    logging.basicConfig(level=logging.ERROR)
    settings = load()
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    about = machine(settings.kernel_python)
    with TemporaryDirectory(prefix="bench-", dir=settings.data, ignore_cleanup_errors=True) as folder:
        ground = Ground(Path(folder), settings.kernel_python, quick if args.quick else FULL)
        try:
            figures, failed = asyncio.run(measure(ground, subjects, args.subjects or list(subjects)))
        except asyncio.CancelledError:
            print("interrupted; everything was cleaned up", file=sys.stderr)
            return 130
    print(sentence(about), table(figures), json_line(figures, machine=about, quick=args.quick), sep="\n\n")
    return 1 if failed else 0


async def measure(ground: Ground, subjects: Subjects, names: Sequence[str]) -> tuple[list[Figure], list[str]]:
    """The figures of the subjects of these names, in order, and the names that failed, which are logged."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    figures: list[Figure] = []
    failed: list[str] = []
    for name in names:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        try:
            figures += await subjects[name](ground)
        except Exception:  # perhaps stock Jupyter's client gave up; the other subjects go on
            failed.append(name)
            log.exception("%s could not be measured", name)
    return figures, failed


if __name__ == "__main__":
    sys.exit(main())
