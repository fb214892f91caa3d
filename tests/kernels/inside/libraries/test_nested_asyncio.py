"""`asyncio.run` works in a cell, and fails within a running loop of the person's own, as everywhere."""

import json

from tests.kernels.inside.kernel_python import run

CODE = """
import asyncio, json, warnings
from inside.libraries import nested_asyncio

warnings.simplefilter("ignore")
kernels = asyncio.new_event_loop()
nested_asyncio.allow(lambda: kernels)
told = {}

async def double(x):
    await asyncio.sleep(0)
    return 2 * x

async def nested():
    try:
        return asyncio.run(double(1))
    except RuntimeError as error:
        return str(error)

async def cell():
    task = asyncio.current_task()
    told["run"] = asyncio.run(double(1))
    with asyncio.Runner() as runner:
        told["runner"] = runner.run(double(2))
    loop = asyncio.new_event_loop()
    told["new loop"] = loop.run_until_complete(double(3))
    loop.close()
    told["kernels loop"] = asyncio.get_event_loop().run_until_complete(double(4))
    told["own"] = asyncio.run(nested())
    try:
        asyncio.run(broken())
    except ZeroDivisionError:
        told["error"] = True
    told["same"] = asyncio.current_task() is task and asyncio.get_running_loop() is kernels

async def broken():
    1 / 0

kernels.run_until_complete(cell())
told["outside"] = asyncio.run(double(5))
print(json.dumps(told))
"""


def test_other_loops_run_while_the_kernels_is_running() -> None:
    """By any of the ways; however it ends, the kernel's loop and task become current again."""
    told = json.loads(run(CODE, ours=True))
    assert [told[name] for name in ("run", "runner", "new loop", "kernels loop", "outside")] == [
        2,
        4,
        6,
        8,
        10,
    ]
    assert told["error"]
    assert told["same"]


def test_within_a_loop_of_the_persons_own_it_is_an_error() -> None:
    """The one that Python raises."""
    told = json.loads(run(CODE, ours=True))
    assert told["own"] == "asyncio.run() cannot be called from a running event loop"
