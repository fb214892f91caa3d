"""Run by the kernels' own Python: saves variables again and again, and prints what is told of them.

    python portraits_program.py TESTS_FOLDER WORKSPACE

`inside` must be on the path. One JSON line: {"what was done": {name: [type, detail, digest]}}.
"""

import contextlib
import io
import json
import os
import sys

sys.path.insert(0, sys.argv[1])
os.chdir(sys.argv[2])
import numpy as np  # noqa: E402
import stand_in  # noqa: E402  (the path first)
from inside import program  # noqa: E402
from inside.children import forked  # noqa: E402
from inside.files import request_socket  # noqa: E402
from inside.interrupts import take_interrupts  # noqa: E402
from inside.shell import Shell, interrupts  # noqa: E402
from inside.state import portraits, requests, transport  # noqa: E402

del sys.path[0]
forked._kernel = os.getpid()
program.prepare()
take_interrupts(interrupts.note)
shell = Shell.instance()
portraits.LEAST = 60.0  # seconds: no machine is too slow
told = {}
SLOW = """
import time
class Slow:
    def __reduce__(self):
        time.sleep(0.3)
        return int, ()
slow = Slow()
"""
VALUES = """
import numpy as np
number, text, items, nested = 7, "text", [1, 2], {"a": {1, 2, 3}, "b": [None]}
array = np.arange(100_000.0)
small = np.arange(3)
def scaled(x, by=2):
    return x * by * number
class Shape:
    size = 1
shape = Shape()
shape.items = items
"""


def fresh():
    """The same shell as in a kernel that has run nothing."""
    shell.reset()
    return stand_in.Kernel(shell, requests)


with stand_in.Node(request_socket) as node:

    def after(code):
        """What is told of the names after a cell."""
        with contextlib.redirect_stdout(io.StringIO()):
            shell.run_cell(code, store_history=True).raise_error()
        reply = kernel.save(shell.execution_count)
        assert reply["status"] == "ok", reply
        meta = node.saves[-1].meta
        return dict(zip(meta["names"], meta["values"], strict=True))

    kernel = fresh()
    told["first"] = after(VALUES)
    told["nothing"] = after("pass")
    told["inside"] = after("items.append(3); array[5] = 0")
    told["elsewhere"] = after("os = __import__('os'); os.environ['NEW'] = '1'; number = 8; import decimal")
    told["before"] = after("pass")
    kernel = fresh()
    assert kernel.load()["status"] == "ok"
    told["loaded"] = after("pass")
    portraits.LEAST = portraits.SHARE = 0.0
    told["no time"] = after(SLOW)
    slow = kernel.state._saving._portraits._slow
    told["known as slow"] = [len(slow)]
    after("del slow")
    told["known as slow"].append(len(slow))

data = memoryview(np.arange(2_000_000)).cast("B")
looks = []
known = portraits._BufferDigests(transport.chunked([b"stream", data], lambda: None), lambda: looks.append(1))
found, looked = known.of(data), len(looks)
same = [
    known.of(memoryview(bytes(data))) == found,
    portraits._BufferDigests((), lambda: None).of(data) == found,
]
told["buffers"] = {"looked": [looked, len(looks)], "same": [*same, known.of(data[8:]) == found]}
print(json.dumps(told))
