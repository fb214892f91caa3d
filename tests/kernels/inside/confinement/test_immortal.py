"""Objects shared by a fork are not written to any more."""

import json

from tests.kernels.inside.kernel_python import run

CODE = """
import ctypes, json, sys
from inside.confinement import immortal

def count(one):
    return ctypes.c_uint32.from_address(id(one)).value

class Mine:
    def method(self):
        return "a constant"

mine, text = Mine(), "made at run time " + sys.argv[0]
held = [mine, text]
later_before = sys.getrefcount(mine)
made = immortal.make_all()
before = [count(mine), count(held), count(Mine.method.__code__.co_consts)]
more = [mine, held, Mine.method.__code__.co_consts] * 100
after = [count(mine), count(held), count(Mine.method.__code__.co_consts)]
new = object()
print(json.dumps({"made": made, "same": before == after, "immortal": set(before) == {immortal.IMMORTAL},
    "mortal": sys.getrefcount(new) < immortal.MORTAL, "works": immortal._works()}))
"""


def test_no_reference_to_what_is_there_is_counted() -> None:
    """Nor to their parts, such as the constants of code; later objects are mortal as usual."""
    told = json.loads(run(CODE))
    assert told["works"]
    assert told["made"] > 1000
    assert told["same"]
    assert told["immortal"]
    assert told["mortal"]
