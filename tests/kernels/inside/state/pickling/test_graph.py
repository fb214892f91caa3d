"""All variables as one graph: what comes back is the same, what cannot is named, and nothing else suffers."""

import ast
import json
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import KERNEL_PYTHON, ROOT
from tests.kernels.inside.kernel_python import PATIENCE, run
from tests.kernels.inside.state.pickling.gallery import CELLS, LOST
from tests.kernels.inside.state.pickling.kinds import KINDS, UNSAVED

HERE = Path(__file__).resolve().parent
EXPRESSIONS = [each for _, expressions in CELLS for each in expressions]
GRAPHS = 300
GONE = "could not be made again"


def program(name: str, *arguments: str) -> str:
    """What a program beside this file prints, run by the kernels' Python."""
    done = subprocess.run(
        [KERNEL_PYTHON, HERE / name, *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT / "kernels"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What both processes tell of the gallery's values: the one that made them, and the reader."""
    lines = program("gallery_program.py", str(tmp_path_factory.mktemp("gallery"))).splitlines()
    read, made = (json.loads(line) for line in lines)
    return {"read": read, "made": made}


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=range(len(EXPRESSIONS)))
def test_a_value_is_the_same_in_another_process(gallery: dict[str, Any], expression: str) -> None:
    """It prints the same, shares the same, and goes on from where it was."""
    assert gallery["read"]["told"][expression] == gallery["made"]["told"][expression]
    assert not gallery["made"]["told"][expression].startswith("raised ")


@pytest.mark.parametrize("what", LOST)
def test_what_cannot_be_kept_is_named(gallery: dict[str, Any], what: str) -> None:
    """In words, when it is saved; afterwards whoever looks at it reads the same."""
    lost = gallery["made"]["lost"].items()
    (name,) = (name for name, told in lost if told == what and name.startswith("lost_"))
    shown = f"`{name}` ({what}) was not kept with your variables: run the cell that makes it again"
    assert gallery["read"]["shown"][name] == shown
    assert name not in gallery["made"]["names"]


def test_nothing_else_is_lost(gallery: dict[str, Any]) -> None:
    """Neither when it is saved nor when it is read."""
    lost = {name: what for name, what in gallery["made"]["lost"].items() if not name.startswith("kind ")}
    assert sorted(lost.values()) == sorted(LOST)
    assert gallery["read"]["missing"] == []


def test_the_kinds_of_values_that_notebooks_have_are_restored(gallery: dict[str, Any]) -> None:
    """At least nine in ten, and of the others only what cannot be saved by its nature, which is named."""
    made, read = gallery["made"], gallery["read"]
    wrong = {kind: read["kinds"][kind] for kind in KINDS if read["kinds"][kind] != made["kinds"][kind]}
    assert wrong == {}
    assert [kind for kind, look in made["kinds"].items() if look.startswith("raised ")] == []
    lost = {name.removeprefix("kind "): what for name, what in made["lost"].items() if name[:5] == "kind "}
    assert lost == {kind: what for kind, (_, what) in UNSAVED.items()}
    assert len(KINDS) >= 0.9 * (len(KINDS) + len(UNSAVED))


def test_random_graphs_come_back_the_same() -> None:
    """With circles, shared parts, views of arrays, functions and classes, in any order."""
    assert program("graphs_program.py", "1", str(GRAPHS)) == "the same\n"


@cache
def failures() -> dict[str, str]:
    """What is left of each case of `failures_program.py`."""
    return json.loads(program("failures_program.py"))  # type: ignore[no-any-return]


def left(case: str) -> Any:
    """What is left of a case."""
    return ast.literal_eval(failures()[case])


def test_a_save_is_ended_by_its_check() -> None:
    """Whatever it raises comes out untouched, and it is asked for each value."""
    assert left("a_check_ends_the_save") == ("Given", 6)
    assert left("a_check_may_raise_any_error") == "mine"
    assert left("an_interrupt_is_passed_on") == "interrupted"


def test_a_container_that_changes_while_it_is_written_does_not_spoil_the_others() -> None:
    """What was written in vain is taken back: later items do not refer to bytes that are gone."""
    lost, names, good, same, missing = left("what_was_written_in_vain_leaves_nothing")
    assert (lost, names, good, same, missing) == ([], ("bad", "good", "other"), {"s": [1, 2]}, True, [])
    assert left("a_changing_part")[:2] == ([], ("all", "again"))


def test_only_what_fails_is_lost() -> None:
    """Its neighbours in the same container stay, also if it is nested too deeply or never ends."""
    endless = "an `Endless` (it cannot be pickled: it is nested too deeply)"
    assert left("endless_recursion_is_named") == ([("x", endless)], [1, 2])
    too_deep = "a `list` (it cannot be pickled: it is nested too deeply)"
    assert left("too_deep_nesting_is_named") == ([("x", too_deep)], [1])


def test_what_is_nested_deeply_is_kept() -> None:
    """Also where `pickle` itself gives up: lists, and a linked list of instances."""
    assert left("deep_lists_are_kept") == ((), 20_000, True, True)
    assert left("linked_nodes_are_kept") == ((), 3000)


def test_losses_are_named_once_for_each_name() -> None:
    """Ten thousand generators in a list are one loss; one generator with two names is two."""
    assert left("ten_thousand_losses_are_named_once") == ([("x", "a generator")], 10_000, ("x", "y"))
    lost, names, same = left("a_lost_value_is_named_for_each_of_its_names")
    assert (lost, names, same) == ([("x", "a generator"), ("y", "a generator")], ("z",), True)


def test_a_placeholder_is_kept_and_named_again() -> None:
    """With the name that it had in its first kernel."""
    lost, names, *shown = left("a_placeholder_goes_on_being_named")
    assert (lost, names) == ([("x", "a lock"), ("y", "a thread")], ("y",))
    assert [each.split(" was")[0] for each in shown] == ["`old` (a lock)", "`y` (a thread)"]


def test_a_class_that_is_gone_costs_only_its_instances() -> None:
    """In their own item and in all others; all else is there, and is shared as before."""
    missing, shown, stays, same, inner, other = left("a_class_that_is_gone")
    assert [name for name, _ in missing] == ["a"]
    assert missing[0][1].startswith(f"`Gone` of `made_module` (it {GONE}: AttributeError: ")
    assert shown.startswith("`a` (`Gone` of `made_module`")
    assert (stays, same, inner, other) == ([2], (True, True), [1], 5)


def test_a_library_that_is_gone_costs_only_what_was_made_with_it() -> None:
    """Its module and its values are named."""
    missing, kinds = left("a_library_that_is_gone")
    assert [name for name, _ in missing] == ["lib", "model"]
    assert missing[0][1].startswith(f"the module `gone_module` (it {GONE}: ModuleNotFoundError: ")
    assert kinds == ["Placeholder", "Placeholder", "int"]


def test_a_value_that_cannot_be_filled_is_a_placeholder_for_all() -> None:
    """Also for those that hold it already, and for later items."""
    missing, different, neighbour, shown = left("a_state_that_is_refused")
    assert missing == [("a", f"a `Refuses` (it {GONE}: ValueError: no more)")]
    assert (different, neighbour) == (1, {"k": 1})
    assert shown.startswith("`a` (a `Refuses`")


def test_whatever_making_a_value_raises_costs_only_that_value() -> None:
    """SystemExit, a hash that fails, a placeholder where a value is needed; in many items, too."""
    missing, around, shown, other = left("a_call_that_fails")
    assert missing == [("a", f"what `exit` makes (it {GONE}: SystemExit: 3)")]
    assert (around, other) == ([1, [2]], 3)
    assert shown.startswith("`a` (what `exit` makes")
    assert left("many_items_that_fail") == (50, True, {"Placeholder"})
    missing, other = left("a_hash_that_fails_is_a_lost_dict")
    assert [(name, what.partition(" (")[0]) for name, what in missing] == [
        ("a", "a `dict`"),
        ("b", "a `set`"),
    ]
    assert other == 4
    lost, missing, neighbour = left("what_holds_a_placeholder_and_needs_it")
    assert lost == [("z", "a generator")]
    assert missing[0][1].startswith(f"a `zip` (it {GONE}: NotKept: ")
    assert neighbour == 7


def test_keys_in_a_circle_with_their_container_are_kept() -> None:
    """`pickle` itself asks for their hash before they have their attributes."""
    assert left("keys_in_a_circle_with_their_container") == ((), [], True, 1, [1, 2], "two")


def test_nobody_holds_a_value_that_is_only_half_there() -> None:
    """If it cannot be replaced, all that holds it is lost, and named."""
    missing, *kinds, other = left("a_list_that_others_hold_already")
    assert [name for name, _ in missing] == ["a"]
    assert (kinds, other) == (["Placeholder", "Placeholder"], 3)


def test_an_instance_that_lies_about_its_class_is_kept() -> None:
    """As a mock does."""
    assert left("a_class_that_lies") == ((), True)


def test_large_buffers_are_apart_and_arrays_are_the_same_bytes_again() -> None:
    """A second save of what was read is the first one, byte by byte; copied buffers are given up."""
    sizes, owned, values, unchanged, after = left("buffers_in_their_order")
    assert sizes == [65536, 16_000_000, 480_000]
    assert owned[:2] == [True, True]
    assert values == [1.0, 2.0, 3.0, 4.0]
    assert unchanged
    assert after == [0, 16_000_000, 0]


def test_a_view_is_lost_rather_than_of_other_numbers() -> None:
    """The array itself comes back, without the gaps between its rows."""
    assert left("view_of_pieces") == ([("view", "a view of an array that lies in pieces")], True)


def test_damage_is_told() -> None:
    """Another format and a broken index are refused; behind broken bytes the rest is named."""
    assert left("a_damaged_stream") == ["damaged", "damaged", "damaged", "format 2"]
    assert left("damaged_items") == (["b", "c"], ["first"], "Placeholder", "Placeholder")


def test_marks_are_the_other_kernels_own() -> None:
    """The shell, its history, what it has put into the namespace, the streams and what belongs to Python."""
    code = """
import os, random, sys
from IPython.core.interactiveshell import InteractiveShell
from inside.state import graph
shell = InteractiveShell.instance(history_manager=None)
names = "get_ipython In Out exit open shell here env path modules draw out imported"
shell.user_ns.update(shell=shell, here=shell.user_ns, env=os.environ, path=sys.path, modules=sys.modules)
shell.user_ns.update(draw=random.random, out=sys.stdout)
exec("def f(): return f", shell.user_ns)
items = [(name, shell.user_ns[name]) for name in [*names.split()[:-1], "f"]]
dumped = graph.dump(items, shell.user_ns, large=print, check=lambda: None)
print(dumped.lost, len(dumped.stream) < 4096)
found = dict(graph.load(dumped.stream, [], shell.user_ns))
print([name for name, value in items if found[name] is not value and found[name] != value])
print(found["f"].__globals__ is shell.user_ns, found["f"] is not shell.user_ns["f"])
"""
    assert run(code).splitlines() == ["() True", "['f']", "True True"]
