"""Makes the gallery's values in one process, and reads them in another: `python gallery_program.py FOLDER`.

Prints as JSON what the gallery's expressions give in either, what was lost, and what is in its place.
The reader is forked before there is any value, and has the libraries imported already.
"""

import json
import os
import sys
import warnings

from gallery import CELLS, LOST
from inside.state import graph

LIBRARIES = (
    "matplotlib.pyplot networkx pandas PIL.Image plotly.graph_objects scipy.stats sklearn.linear_model"
    " sklearn.tree sklearn.pipeline statsmodels.api sympy bs4 requests"
)


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


def main() -> None:
    """Be the one process, then the other."""
    for library in LIBRARIES.split():
        __import__(library)
    os.chdir(sys.argv[1])
    before = set(globals())
    there, here = os.pipe()
    if not os.fork():
        with open(there, "rb") as reading:
            os.close(here)
            sizes = json.loads(reading.readline())
            stream, *buffers = (bytearray(reading.read(size)) for size in sizes)
        missing = []
        for name, value in graph.load(stream, buffers, globals(), lose=missing.append):
            globals()[name] = value
        shown = {name: repr(value) for name, value in list(globals().items()) if name.startswith("lost_")}
        result = {"told": told(), "missing": [str(each) for each in missing], "shown": shown}
        print(json.dumps(result))
        sys.stdout.flush()
        os._exit(0)
    os.close(there)
    for code in (*(code for code, _ in CELLS), *LOST.values()):
        exec(compile(code, "<cell>", "exec"), globals())
    items = [(name, value) for name, value in globals().items() if name not in before]
    large: list[memoryview] = []
    dumped = graph.dump(items, globals(), large=large.append, check=lambda: None)
    with open(here, "wb") as writing:
        buffers = [memoryview(dumped.stream), *large]
        writing.write(json.dumps([buffer.nbytes for buffer in buffers]).encode() + b"\n")
        writing.writelines(buffers)
    os.wait()
    lost = {each.name: each.what for each in dumped.lost}
    print(json.dumps({"told": told(), "lost": lost, "names": dumped.names}))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
