"""Which cell made each name, or was the last to bind it to something else.

    cells = Cells()
    cells.note(namespace, 7)        # after the cell 7: whatever is new or other than before is the cell's
    cells.of("df")                  # 7; 0 if nothing is known

Values are told apart by where they are in memory and by their type: nothing is kept alive for it. If a value
went away and another one of its type is in its very place, the older cell stands for it.
"""

from collections.abc import Container, Iterable, Mapping

__all__ = ["Cells"]


class Cells:
    """See the module's text. Cells are numbered as in the transcript, from 1."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, int]] = {}  # of each name: its value and its type, by their ids
        self._cells: dict[str, int] = {}

    def note(
        self,
        names: Iterable[str],
        namespace: Mapping[str, object],
        cell: int,
        certain: Container[str] | None = None,
    ) -> None:
        """Names that are new, or bound to another value than at the last call, are of this cell.

        If `certain` is given, only these: nobody knows which cell has bound the others.
        """
        now = {}
        for name in names:
            value = namespace.get(name)
            now[name] = seen = id(value), id(type(value))
            if self._seen.get(name) != seen:
                self._cells[name] = cell if certain is None or name in certain else 0
        self._seen = now
        if len(self._cells) > len(now):
            self._cells = {name: self._cells[name] for name in now}

    def restored(
        self, names: Iterable[str], namespace: Mapping[str, object], cells: Mapping[str, int]
    ) -> None:
        """What is in the namespace now is of the cells of an earlier process."""
        self.note(names, namespace, 0)
        self._cells = {name: cells.get(name, 0) for name in self._seen}

    def of(self, name: str) -> int:
        """The cell that made the name; 0 if it is not known."""
        return self._cells.get(name, 0)

    def all(self) -> dict[str, int]:
        """The cell of each name."""
        return dict(self._cells)

    def newest_first(self) -> list[str]:
        """All names, those that were bound last first."""
        names = list(reversed(self._cells))
        names.sort(key=self._cells.__getitem__, reverse=True)
        return names
