"""Makes the gallery's values in one process, and reads them in another: `python gallery_program.py FOLDER`.

Prints as JSON what the expressions give in either, what was lost, and what is in its place.
The reader is forked before there is any value, and has the libraries imported already.
"""

import json
import os
import sys
import warnings

from gallery import CELLS, LOST
from inside.state import graph
from kinds import KINDS, SETUP, UNSAVED

LIBRARIES = "matplotlib.pyplot networkx pandas PIL.Image plotly.graph_objects sympy bs4 requests"


KIND = "kind "  # begins the names of their values


def told() -> dict[str, str]:
    """What the expressions give."""
    found = {}
    for _, expressions in CELLS:
        for each in expressions:
            try:
                found[each] = repr(eval(each, globals()))
            except Exception as error:  # noqa: BLE001  it is told
                found[each] = f"raised {error!r}"
    return found


def kinds_told(names: dict[str, object], made: dict[str, object]) -> dict[str, str]:
    """What the expressions about each kind of value give."""
    found = {}
    for kind, (_, look) in KINDS.items():
        try:
            found[kind] = repr(eval(look, names | {"it": made[kind]}))
        except Exception as error:  # noqa: BLE001  it is told
            found[kind] = f"raised {error!r}"
    return found


def main() -> None:
    """Be the one process, then the other."""
    for library in LIBRARIES.split():
        __import__(library)
    names = {"__name__": "__main__"}
    exec(SETUP, names)
    os.chdir(sys.argv[1])
    before = set(globals())
    there, here = os.pipe()
    if not os.fork():
        with open(there, "rb") as reading:
            os.close(here)
            sizes = json.loads(reading.readline())
            stream, *buffers = (bytearray(reading.read(size)) for size in sizes)
        missing, made = [], {}
        for name, value in graph.load(stream, buffers, globals(), lose=missing.append):
            if name.startswith(KIND):
                made[name.removeprefix(KIND)] = value
            else:
                globals()[name] = value
        shown = {name: repr(value) for name, value in list(globals().items()) if name.startswith("lost_")}
        result = {
            "kinds": kinds_told(names, made),
            "told": told(),
            "missing": [str(each) for each in missing],
            "shown": shown,
        }
        print(json.dumps(result))
        sys.stdout.flush()
        os._exit(0)
    os.close(there)
    for code in (*(code for code, _ in CELLS), *LOST.values()):
        exec(compile(code, "<cell>", "exec"), globals())
    items = [(name, value) for name, value in globals().items() if name not in before]
    made = {kind: eval(code, names) for kind, (code, _) in (KINDS | UNSAVED).items()}
    items += [(KIND + kind, value) for kind, value in made.items()]
    large: list[memoryview] = []
    dumped = graph.dump(items, globals(), large=large.append, check=lambda: None)
    with open(here, "wb") as writing:
        buffers = [memoryview(dumped.stream), *large]
        writing.write(json.dumps([buffer.nbytes for buffer in buffers]).encode() + b"\n")
        writing.writelines(buffers)
    os.wait()
    lost = {each.name: each.what for each in dumped.lost}
    result = {"kinds": kinds_told(names, made), "told": told(), "lost": lost, "names": dumped.names}
    print(json.dumps(result))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
