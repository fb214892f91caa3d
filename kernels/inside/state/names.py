"""The names of a namespace that are the person's, those with an underscore included.

    names = Names(shell)            # before the first cell
    names.own()                     # ["df", "_rows"], in the order in which they were defined
    names.hidden()                  # of these, the ones that `%who` does not show, as those of `%pylab`

What every kernel has is not theirs, nor is what IPython adds with each cell (`_i12`, `_12`): that comes back
with the rest of the shell's state.
"""

import re
from itertools import takewhile
from typing import Any

__all__ = ["Names"]

# IPython's, and those of every module; a new kernel has its own.
OF_EVERY_KERNEL = {
    *("_", "__", "___", "_i", "_ii", "_iii", "_ih", "_oh", "_dh", "_exit_code", "__IPYTHON__"),
    *("__name__", "__doc__", "__package__", "__loader__", "__spec__", "__builtin__", "__builtins__"),
    "__warningregistry__",
}
OF_CELLS, OF_CODE = re.compile("_i?([1-9][0-9]*)"), re.compile("_i[0-9]+")
LONGEST_NUMBER = 18  # digits


class Names:
    """See the module's text."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._at_first = frozenset(shell.user_ns)

    def own(self) -> list[str]:
        """The person's names, in their order. Names that are no text are left out."""
        hidden, nothing = self._shell.user_ns_hidden, object()
        return [
            name
            for name, value in list(self._shell.user_ns.items())
            if type(name) is str
            and name[:1] != "\0"  # which begins our own names for what is saved with them
            and name not in OF_EVERY_KERNEL
            and not (name in self._at_first and hidden.get(name, nothing) is value)
            and not (name[:1] == "_" and self._is_of_cell(name))
        ]

    def _is_of_cell(self, name: str) -> bool:
        """Whether it is a cell's code or result: there has been a cell of this number."""
        found = OF_CELLS.fullmatch(name)
        if found is None or len(found[1]) > LONGEST_NUMBER:
            return False
        return int(found[1]) < int(self._shell.execution_count)

    def hidden(self) -> list[str]:
        """Of these, the ones that IPython hides."""
        hidden, namespace, nothing = self._shell.user_ns_hidden, self._shell.user_ns, object()
        return [name for name in self.own() if hidden.get(name, nothing) is namespace.get(name)]

    def of_last_cell(self) -> set[str]:
        """Those that are certainly of the last cell: a dictionary keeps its order.

        Before each cell, IPython adds a name for the cell's code.
        """
        newer = takewhile(lambda name: not OF_CODE.fullmatch(str(name)), reversed(list(self._shell.user_ns)))
        return {name for name in newer if type(name) is str}
