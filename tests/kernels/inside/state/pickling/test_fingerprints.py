"""A value's digest is the same as long as the value is, however often it is made."""

import json

from tests.kernels.inside.kernel_python import run

CODE = """
import gc, json
from inside.state import graph
from inside.state.pickling.fingerprints import Fingerprints

gc.disable()  # as while variables are saved
searches, search = [], gc.get_referrers
gc.get_referrers = lambda *values: (searches.append(1), search(*values))[1]
names = {"__name__": "__main__"}
exec('''
from collections import namedtuple
Point = namedtuple("Point", "x y")
used = {"__name__": "used", "lines": (line for line in "ab")}
exec("def first(): return 1\\\\ndef second(): return first()", used)
first, second = used["first"], used["second"]
del used
held = {"__name__": "held"}
exec("def alone(): return 1", held)
alone = held["alone"]
''', names)
prints = Fingerprints(names, lambda: None, lambda memory: b"")
found = {}
for name in ("Point", "first", "second", "alone"):
    searches.clear()
    found[name] = len({prints.of(names[name]) for _ in range(2)}), len(searches)
items = [(name, names[name]) for name in ("first", "second")]
found["lost"] = [str(one) for one in graph.dump(items, names, large=id, check=lambda: None).lost]
print(json.dumps(found))
"""


def test_digests_leave_nothing_that_changes_the_next_ones() -> None:
    """Nor what is saved: that functions alone use a dict is seen by who else refers to it.

    The heap is searched only for a dict that others refer to.
    """
    found = json.loads(run(CODE))
    assert found == {"Point": [1, 0], "first": [1, 2], "second": [1, 2], "alone": [1, 2], "lost": []}
