"""What fails while a graph is written or read: prints as JSON what is left of each case.

Each case is a function; what it returns is shown by `repr`.
"""

import json
import sys
import types
import warnings

import numpy as np
from cloudpickle import cloudpickle
from inside.state import graph
from inside.state.pickling import picklers
from inside.state.placeholder import NotKept, Placeholder

warnings.simplefilter("error")


def kept(items, *, before_reading=lambda: None, check=lambda: None):
    """What was written, what is read of it, and what could not be made."""
    large = []
    dumped = graph.dump(items.items(), globals(), large=large.append, check=check)
    before_reading()
    missing = []
    buffers = [bytearray(each) for each in large]
    found = dict(graph.load(dumped.stream, buffers, globals(), lose=missing.append))
    return dumped, found, missing


def in_words(losses):
    """Names and words."""
    return [(each.name, each.what) for each in losses]


def view_of_pieces():
    """A view of an array of another library, whose rows do not lie next to each other."""
    foreign = np.from_dlpack(np.arange(64).reshape(8, 8)[:, :4])
    dumped, found, _ = kept({"foreign": foreign, "view": foreign[:2]})
    return in_words(dumped.lost), found["foreign"].tolist() == foreign.tolist()


class Given(BaseException):
    """What a check raises to end a save."""


class Changes:
    """Changes the dict it is in while that is pickled."""

    def __init__(self, where):
        self.where = where

    def __reduce__(self):
        self.where[len(self.where)] = None
        return int, ()


class Endless:
    """Its pickling never gets to an end."""

    def __reduce__(self):
        return self.__reduce__()


class Refuses:
    """Cannot be filled again."""

    def __init__(self, value):
        self.value = value

    def __setstate__(self, state):
        raise ValueError("no\nmore")


class Quits:
    """Cannot be made again."""

    def __reduce__(self):
        return sys.exit, (3,)


class Liar:
    """Says that it is of another class."""

    @property
    def __class__(self):
        return int


def a_check_ends_the_save():
    """Its error is not the value's, wherever it comes."""
    count = 0

    def check():
        nonlocal count
        count += 1
        if count > 5:
            raise Given

    try:
        kept({"x": [Placeholder("a", "b") for _ in range(10)]}, check=check)
    except Given as error:
        return type(error).__name__, count


def a_check_may_raise_any_error():
    """A ValueError of the check is not taken for the value's."""

    def check():
        raise ValueError("mine")

    try:
        kept({"x": len}, check=check)
    except ValueError as error:
        return str(error)


def an_interrupt_is_passed_on():
    """KeyboardInterrupt ends a save."""

    class Interrupted:
        def __reduce__(self):
            raise KeyboardInterrupt

    try:
        kept({"x": [Interrupted()]})
    except KeyboardInterrupt:
        return "interrupted"


def what_was_written_in_vain_leaves_nothing():
    """A list that a failed item and a later one share is written whole for the later one."""
    shared, where = [1, 2], {}
    where.update(a=shared, b=Changes(where), c=Changes(where))
    dumped, found, missing = kept({"bad": where, "good": {"s": shared}, "other": shared})
    return in_words(dumped.lost), dumped.names, found["good"], found["other"] is found["good"]["s"], missing


def a_changing_part():
    """What changes is written as it is at that moment."""
    where = {}
    where.update(a=Changes(where), b=Changes(where))
    dumped, found, _ = kept({"all": {"x": [1], "bad": {"deeper": where}}, "again": where})
    return in_words(dumped.lost), dumped.names, found["all"]["x"], sorted(found["all"]["bad"])


def endless_recursion_is_named():
    """A `__reduce__` that calls itself for ever; its neighbours stay."""
    dumped, found, _ = kept({"x": [1, Endless(), 2]})
    return in_words(dumped.lost), found["x"][::2]


def deep_lists_are_kept():
    """Lists within each other, 20,000 of them."""
    deep = []
    for _ in range(20_000):
        deep = [deep]
    limit = sys.getrecursionlimit()
    dumped, found, _ = kept({"before": deep[0], "deep": deep})
    depth, inner = 0, found["deep"]
    while inner:
        depth, inner = depth + 1, inner[0]
    return dumped.lost, depth, found["deep"][0] is found["before"], sys.getrecursionlimit() == limit


def linked_nodes_are_kept():
    """A linked list of 3,000 instances."""
    node = None
    for number in range(3000):
        new = types.SimpleNamespace(number=number, next=node)
        node = new
    dumped, found, _ = kept({"node": node})
    count, inner = 0, found["node"]
    while inner is not None:
        count, inner = count + 1, inner.next
    return dumped.lost, count


def too_deep_nesting_is_named():
    """Deeper than there is room for: its neighbours stay."""
    deep = []
    for _ in range(5_000):
        deep = [deep]
    picklers.DEEP = 3000
    dumped, found, _ = kept({"x": {"deep": deep, "flat": [1]}})
    picklers.DEEP = 250_000
    return in_words(dumped.lost), found["x"]["flat"]


def ten_thousand_losses_are_named_once():
    """In one item."""
    dumped, found, _ = kept({"x": [(i for i in "ab") for _ in range(10_000)], "y": [object()]})
    return in_words(dumped.lost), len(found["x"]), dumped.names


def a_lost_value_is_named_for_each_of_its_names():
    """And it is one placeholder."""
    lost = (i for i in "ab")
    dumped, found, _ = kept({"x": lost, "y": lost, "z": [lost]})
    return in_words(dumped.lost), dumped.names, found["x"] is found["y"] is found["z"][0]


def a_placeholder_goes_on_being_named():
    """Also after the second kernel."""
    dumped, found, _ = kept({"x": Placeholder("a lock", "old"), "y": [Placeholder("a thread", "y")]})
    return in_words(dumped.lost), dumped.names, repr(found["x"]), repr(found["y"][0])


def a_class_that_is_gone():
    """All else of its item is there, and what others refer to is the same."""
    made = types.ModuleType("made_module")
    exec("class Gone:\n    pass\nclass Stays:\n    pass", made.__dict__)
    sys.modules["made_module"] = made
    one, stays = made.Gone(), made.Stays()
    one.inner, stays.inner = [1], [2]
    items = {"a": {"gone": one, "stays": stays, "n": [3]}, "b": [one, stays, one.inner], "c": 5}
    _, found, missing = kept(items, before_reading=lambda: delattr(made, "Gone"))
    same = found["b"][0] is found["a"]["gone"], found["b"][1] is found["a"]["stays"]
    return (
        in_words(missing),
        repr(found["a"]["gone"]),
        found["a"]["stays"].inner,
        same,
        found["b"][2],
        found["c"],
    )


def a_library_that_is_gone():
    """The module is named, and so is what was made with it."""
    made = types.ModuleType("gone_module")
    exec("class Model:\n    pass", made.__dict__)
    sys.modules["gone_module"] = made
    items = {"lib": made, "model": made.Model(), "x": 1}
    _, found, missing = kept(items, before_reading=lambda: sys.modules.pop("gone_module"))
    return in_words(missing), [type(found[name]).__name__ for name in items]


def a_state_that_is_refused():
    """The instance is a placeholder for all that hold it, in its own item and in others."""
    bad = Refuses([1])
    bad.value.append(bad)
    _, found, missing = kept({"a": [bad, bad.value, {"k": 1}], "b": bad, "c": [bad.value]})
    places = found["a"][0], found["b"], found["a"][1][1], found["c"][0][1]
    return in_words(missing), len({id(each) for each in places}), found["a"][2], repr(found["b"])


def a_call_that_fails():
    """Even with what is no Exception."""
    _, found, missing = kept({"a": [1, Quits(), [2]], "b": 3})
    return in_words(missing), found["a"][::2], repr(found["a"][1]), found["b"]


def many_items_that_fail():
    """More than are read twice; the memo stays right."""
    shared = {"all": 1}
    items = {f"n{number}": [Refuses(number), shared] for number in range(50)}
    _, found, missing = kept(items | {"end": shared})
    same = all(found[name][1] is found["end"] for name in items)
    return len(missing), same, {type(found[name][0]).__name__ for name in items}


class Named:
    """Has a hash of its own, and holds others like it."""

    def __init__(self, name):
        self.name, self.near, self.far = name, set(), {}

    def __hash__(self):
        return hash(self.name)

    def __eq__(self, other):
        return self.name == other.name


def keys_in_a_circle_with_their_container():
    """Nodes of a graph that hold each other in sets and as keys."""
    one, two = Named("one"), Named("two")
    one.near.add(two)
    two.near.add(one)
    one.far.update({two: 1, one: 2})
    dumped, found, missing = kept({"a": [one, 5], "b": {two: "two"}})
    again = found["a"][0]
    (other,) = again.near
    return (
        dumped.lost,
        missing,
        again in other.near,
        again.far[other],
        list(again.far.values()),
        found["b"][other],
    )


class Fills(list):
    """A list that cannot be filled, and that an element of its own holds."""

    def __setstate__(self, state):
        raise ValueError("never")


def a_list_that_others_hold_already():
    """What cannot become a placeholder is lost with all that holds it."""
    bad = Fills([[1]])
    bad.tag = 1
    bad[0].append(bad)
    _, found, missing = kept({"a": {"bad": bad}, "b": bad[0], "c": 3})
    return in_words(missing), type(found["a"]).__name__, type(found["b"]).__name__, found["c"]


def a_hash_that_fails_is_a_lost_dict():
    """A key that cannot be a key any more."""
    made = types.ModuleType("keys_module")
    exec("class Key:\n    pass", made.__dict__)
    sys.modules["keys_module"] = made
    items = {"a": {made.Key(): 1}, "b": [{made.Key(), 2}], "c": 4}

    def spoil():
        made.Key.__hash__ = None

    _, found, missing = kept(items, before_reading=spoil)
    return in_words(missing), found["c"]


def what_holds_a_placeholder_and_needs_it():
    """What cannot be made of a placeholder is one."""
    dumped, found, missing = kept({"z": [zip([1], (i for i in "ab"), strict=False), 7]})
    return in_words(dumped.lost), in_words(missing), found["z"][1]


def a_class_that_lies():
    """An instance that says that it has another class is kept."""
    dumped, found, _ = kept({"x": [Liar()]})
    return dumped.lost, type(found["x"][0]) is Liar


def buffers_in_their_order():
    """Those of 64 KiB and more are outside of the stream, and arrays own their memory again."""
    large = []
    arrays = [np.full(8192, 1.0), np.full(8191, 2.0), np.full(2_000_000, 3.0), np.full((3, 20_000), 4.0).T]
    dumped = graph.dump([("a", arrays)], globals(), large=large.append, check=lambda: None)
    buffers = [bytearray(each) for each in large]
    ((_, found),) = graph.load(dumped.stream, buffers, globals())
    sizes = [each.nbytes for each in large]
    owned = [each.flags.owndata for each in found]
    again = []
    second = graph.dump([("a", found)], globals(), large=again.append, check=lambda: None)
    unchanged = second.stream == dumped.stream and [bytes(each) for each in again] == [
        bytes(each) for each in large
    ]
    values = [float(each.reshape(-1)[-1]) for each in found]
    return sizes, owned, values, unchanged, [len(each) for each in buffers]


def a_damaged_stream():
    """It is said, and nothing is read."""
    dumped, _, _ = kept({"x": 1})
    told = []
    for stream in (
        b"",
        b"\xff" * 40,
        dumped.stream[:-1],
        dumped.stream.replace(b'"format": 1', b'"format": 2'),
    ):
        try:
            list(graph.load(stream, [], globals()))
        except graph.UnknownFormat as error:
            told.append(str(error))
    return told


def damaged_items():
    """With bytes that are no pickle, what comes before is there, and all the rest is named."""
    dumped, _, _ = kept({"a": ["first"], "b": ["text-b", "two"], "c": ["third"]})
    stream = dumped.stream.replace(b"text-b", b"\xff\xff\xff\xff\xff\xff")
    missing = []
    found = dict(graph.load(stream, [], globals(), lose=missing.append))
    return [each.name for each in missing], found["a"], type(found["b"]).__name__, type(found["c"]).__name__


def a_placeholder_raises():
    """Whatever it is used for, with a sentence; libraries that look for a method find none."""
    conn, told = Placeholder("a database connection", "conn"), []
    for use in (
        "conn.execute('x')", "conn()", "conn[0]", "for _ in conn: pass", "len(conn)", "conn + 1", "1 + conn",
        "bool(conn)", "conn.x = 1", "del conn.x", "conn < 2", "with conn: pass", "2 in conn", "int(conn)",
        "-conn",
        "next(conn)", "conn[0] = 1",
    ):  # fmt: skip
        try:
            exec(use)
            told.append(use)
        except NotKept as error:
            told += [use] * (str(error) != repr(conn))
    return told, repr(conn), str(conn), f"{conn}", hasattr(conn, "_repr_html_"), conn == conn, len({conn})


def main():
    """Run each case."""
    results = {}
    for name, case in list(globals().items()):
        if isinstance(case, types.FunctionType) and case.__doc__ and name not in ("kept", "in_words", "main"):
            cloudpickle._DYNAMIC_CLASS_TRACKER_BY_ID.clear()
            results[name] = repr(case())
    print(json.dumps(results))


main()
