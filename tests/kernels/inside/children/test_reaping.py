"""Children that have ended are reaped, and code that waits for them later still gets their exit status."""

import json

from kernels.inside.children.reaping import FEW
from tests.kernels.inside.kernel_python import run

CODE = """
import json, os, subprocess, sys, time
from inside.children import reaping

count = int(sys.argv[1])
reaping.install()
running = subprocess.Popen(["sleep", "60"])
popen = subprocess.Popen(["false"])
pids = [os.posix_spawn("/bin/sh", ["sh", "-c", f"exit {n}"], {}) for n in range(count - 1)]
while reaping._ended() < count:
    time.sleep(0.01)
reaping.reap()
told = {"left": reaping._ended()}
told["popen"] = popen.wait()
told["first"] = os.waitstatus_to_exitcode(os.waitpid(pids[1], 0)[1])
others = []
for _ in range(count - 2):
    pid, status = os.wait()
    others.append(os.waitstatus_to_exitcode(status))
told["others"] = sorted(others)
told["none"] = os.waitpid(-1, os.WNOHANG) == (0, 0)
running.kill()
told["running"] = running.wait()
try:
    os.waitpid(pids[1], 0)
except ChildProcessError:
    told["twice"] = "no child"
print(json.dumps(told))
"""


def test_very_many_are_reaped_and_told_once() -> None:
    """By whichever function asks; a child that is still running is waited for as usual."""
    told = json.loads(run(CODE, str(FEW + 4), ours=True))
    assert told["left"] == 0
    assert told["popen"] == 1
    assert told["first"] == 1
    assert told["others"] == [0, *range(2, FEW + 3)]
    assert told["none"]
    assert told["running"] == -9
    assert told["twice"] == "no child"


def test_a_few_are_left_alone() -> None:
    """So an ordinary program never meets our code; waiting for its children works the same."""
    told = json.loads(run(CODE, str(FEW), ours=True))
    assert told["left"] == FEW
    assert (told["popen"], told["first"], told["twice"]) == (1, 1, "no child")
