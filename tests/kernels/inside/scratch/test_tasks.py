"""Tasks are done one after another, and one that fails does not cost the others their answers."""

import json
from pathlib import Path

from tests.kernels.inside.kernel_python import run

CODE = """
import os, sys, time
from inside.scratch import tasks

shown = []
tasks.display = lambda bundle, raw: shown.append((bundle["text/plain"], bundle.get("text/card")))
tasks.EACH = 2.0

def answer(task):
    if task == "fail":
        raise ValueError("no")
    if task == "crash":
        os.abort()
    if task == "long":
        time.sleep(600)
    if task == "memory":
        return {"text/card": str(len(bytes(tasks.MEMORY + (1 << 30))))}
    if task == "much":
        return {"text/card": "x" * (tasks.LONGEST + 1)}
    return {"text/card": task}

tasks.do(answer)
print(shown)
"""


def test_each_task_has_its_own_process_and_limits(tmp_path: Path) -> None:
    """A task that fails, crashes, takes too much time or memory, or prints too much has no answer."""
    names = ["first", "fail", "crash", "long", "memory", "much", "last"]
    (tmp_path / "tasks.json").write_text(json.dumps({f"key {name}": name for name in names}))
    assert run(CODE, cwd=tmp_path) == "[('key first', 'first'), ('key last', 'last')]\n"
