"""Makes random graphs of values, and compares each with what comes back: `graphs_program.py SEED COUNT`.

Values are lists, tuples, dicts, sets, instances of classes of this module, bound methods, functions that use
its globals or share a variable, NaNs, arrays and views of them, and anything may hold anything, itself too.
"""

import random
import sys
import types

import numpy as np
from cloudpickle import cloudpickle
from inside.state import graph

FACTOR = 3


class Thing:
    """An instance with attributes."""

    def own(self) -> "Thing":
        """Itself."""
        return self


class Slotted:
    """An instance without a dict."""

    __slots__ = ("left", "right")


def sharing(value):
    """Two functions that share a variable."""

    def get():
        return value, FACTOR

    def put(new):
        nonlocal value
        value = new

    return get, put


def plant(rng, count):  # noqa: C901  a case for each kind of value
    """A graph of so many values, as a list of them all."""
    made = []

    def some():
        return (
            rng.choice(made)
            if made and rng.random() < 0.8
            else rng.choice([1, 2.5, "text", None, b"bytes", 10**30])
        )

    for _ in range(count):
        match rng.randrange(13):
            case 0 | 1:
                made.append([some() for _ in range(rng.randrange(4))])
            case 2:
                made.append(tuple(some() for _ in range(rng.randrange(4))))
            case 3 | 4:
                made.append({str(number): some() for number in range(rng.randrange(4))})
            case 5:
                made.append({rng.randrange(9) for _ in range(3)})
            case 6:
                made.append(Thing())
            case 7:
                made.append(Slotted())
                made[-1].left, made[-1].right = some(), some()
            case 8:
                made.extend(sharing(some()))
            case 9:
                things = [each for each in made if type(each) is Thing]
                made.append(rng.choice(things).own if things else Thing)
            case 10:
                shape = rng.choice([(6,), (2, 3), (20_000,), (0,), (3, 2, 2)])
                made.append(
                    np.arange(float(np.prod(shape))).reshape(shape, order=rng.choice("CF")).copy(order="K")
                )
            case 11:
                arrays = [each for each in made if type(each) is np.ndarray and each.dtype != object]
                if arrays:
                    array = rng.choice(arrays)
                    made.append(
                        rng.choice(
                            [array[::-1], array[1:], array.T, array[::2], array.view("u8"), array[...]]
                        )
                    )
            case 12 if rng.random() < 0.1:
                made.append(float("nan"))
    for value in made:  # now that all are there, they can hold each other in circles
        if type(value) is list:
            value.append(some())
        elif type(value) is dict:
            value["later"] = some()
        elif type(value) is Thing:
            value.first, value.second = some(), some()
        elif type(value) is types.FunctionType and value.__name__ == "put":
            value(some())
    return made


def described(values):  # noqa: C901  a case for each kind of value
    """A description in which the same graphs are equal: each value once, and by its number from then on."""
    numbers, held = {}, []

    def tell(value):  # noqa: C901  as above
        cls = type(value)
        if cls in (int, str, bytes, type(None)) or isinstance(value, np.generic):
            return repr(value)
        if cls is float and value == value:
            return repr(value)
        if id(value) in numbers and cls is not types.MethodType:
            return f"#{numbers[id(value)]}"
        numbers[id(value)] = len(numbers)
        held.append(value)
        if cls is float:
            return "nan"
        if cls in (list, tuple):
            return cls.__name__, [tell(each) for each in value]
        if cls is dict:
            return "dict", [(key, tell(each)) for key, each in value.items()]
        if cls is set:
            return "set", sorted(value)
        if cls is np.ndarray:
            root = value
            while isinstance(root.base, np.ndarray):
                root = root.base
            place = (
                value.__array_interface__["data"][0] - root.__array_interface__["data"][0]
                if value.size
                else 0
            )
            strides = value.strides if value.size else ()  # of nothing they mean nothing
            about = value.dtype.str, value.shape, strides, place, value.flags.writeable, value.tobytes()
            return "array", about, None if root is value else tell(root)
        if cls is types.MethodType:
            return "method", tell(value.__self__), value.__func__.__qualname__
        if cls is types.FunctionType:
            cells = [tell(cell) for cell in value.__closure__ or ()]
            return "function", value.__qualname__, value.__globals__ is globals(), cells
        if cls is types.CellType:
            return "cell", tell(value.cell_contents)
        if cls is Slotted:
            return "slotted", tell(value.left), tell(value.right)
        if isinstance(value, type):
            return "class", value.__qualname__
        return cls.__qualname__, tell(cls), [(key, tell(each)) for key, each in vars(value).items()]

    return [tell(value) for value in values]


def main():
    """Compare as many graphs as are asked for."""
    seed, count = map(int, sys.argv[1:])
    for number in range(seed, seed + count):
        rng = random.Random(number)
        values = plant(rng, rng.randrange(3, 40))
        items = [(f"v{place}", value) for place, value in enumerate(values)]
        rng.shuffle(items)
        large = []
        dumped = graph.dump(items, globals(), large=large.append, check=lambda: None)
        assert dumped.lost == (), (number, dumped.lost)
        expected = described([value for _, value in items])
        own = {name: globals()[name] for name in ("Thing", "Slotted")}
        cloudpickle._DYNAMIC_CLASS_TRACKER_BY_ID.clear()  # as another process, which makes each class itself
        cloudpickle._DYNAMIC_CLASS_TRACKER_BY_CLASS.clear()
        buffers = [bytearray(each) for each in large]
        missing = []
        loaded = list(graph.load(dumped.stream, buffers, globals(), lose=missing.append))
        assert missing == [], (number, missing)
        assert [name for name, _ in loaded] == [name for name, _ in items], number
        kinds = {type(value).__name__: type(value) for _, value in loaded}
        globals().update({name: kinds.get(name, cls) for name, cls in own.items()})
        found = described([value for _, value in loaded])
        globals().update(own)
        assert found == expected, (number, found, expected)
    print("the same")


main()
