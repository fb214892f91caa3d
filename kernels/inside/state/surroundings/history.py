"""The cells so far as IPython keeps them: the counter, `In`, `Out`, `_`, `__`, `_i`, `_5`, and `%dhist`.

The last `MOST` cells are kept. A value in `Out` is part of the same pickle as the variables, so it stays the
same object as a variable that holds it.
"""

from typing import Any

from .part import Part, Words

__all__ = ["PARTS"]

MOST = 500  # cells
SHOWN = 1 << 18  # characters of how values were shown, for `%history -o`
VALUES = ("_", "__", "___")
CODES = ("_i", "_ii", "_iii")
LAST = ("_i00", *CODES)  # the last cells' code, as the history manager names them


def _take(shell: Any, _: object) -> dict[str, Any] | None:
    count, history, names = shell.execution_count, shell.history_manager, shell.user_ns
    if count <= 1:
        return None
    values = history.output_hist
    first = max(1, count - MOST)
    of_cells = [name for number in range(first, count) for name in (f"_i{number}", f"_{number}")]
    return {
        "count": count,
        "first": first,
        "left out": [number for number in values if isinstance(number, int) and number < first],
        "code": list(history.input_hist_parsed[first:]),
        "raw": list(history.input_hist_raw[first:]),
        "last": {name: getattr(history, name) for name in LAST},
        "shown": _shown(history.output_hist_reprs, first),
        "values": {n: value for n, value in list(values.items()) if not isinstance(n, int) or n >= first},
        "last values": {name: getattr(shell.displayhook, name) for name in VALUES},
        "names": {name: names[name] for name in (*VALUES, *CODES, *of_cells) if name in names},
    }


def _shown(texts: dict[int, str], first: int) -> dict[int, str]:
    """How values were shown, the newest that there is room for."""
    kept: dict[int, str] = {}
    room = SHOWN
    for number, text in sorted(texts.items(), reverse=True):
        room -= len(text)
        if number < first or room < 0:
            break
        kept[number] = text
    return kept


def _put(shell: Any, value: dict[str, Any]) -> Words:
    history, first = shell.history_manager, value["first"]
    for there, given in (
        (history.input_hist_parsed, value["code"]),
        (history.input_hist_raw, value["raw"]),
    ):
        there[:] = [""] * first + given  # the same lists, which are also `In` and `_ih`
    for name, each in value["last"].items():
        setattr(history, name, each)
    history.output_hist_reprs.update(value["shown"])
    history.output_hist.update(value["values"])
    for name, each in value["last values"].items():
        setattr(shell.displayhook, name, each)
    shell.user_ns.update(value["names"])
    shell.execution_count = value["count"]
    if first == 1:
        return None
    older = [f"the code of cells 1 to {first - 1} (`In`)"]
    return older + ["their values (`Out`)"] * bool(value["left out"])


def _folders(shell: Any) -> list[str]:
    return list(map(str, shell.history_manager.dir_hist))


def _take_folders(shell: Any, noted: list[str]) -> list[str] | None:
    now = _folders(shell)
    return now[-MOST:] if now != noted else None


def _put_folders(shell: Any, value: list[str]) -> None:
    shell.history_manager.dir_hist[:] = value


PARTS = (
    Part("cells", "the results of earlier cells (`In`, `Out`, `_`)", lambda _: None, _take, _put),
    Part("folders", "the folders for `%cd -`", _folders, _take_folders, _put_folders),
)
