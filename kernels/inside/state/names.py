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
    *("In", "Out", "_", "__", "___", "_i", "_ii", "_iii", "_ih", "_oh", "_dh", "_exit_code"),
    *("get_ipython", "exit", "quit", "__IPYTHON__"),
    *("__name__", "__doc__", "__package__", "__loader__", "__spec__", "__builtin__", "__builtins__"),
    "__warningregistry__",
}
OF_CELLS, OF_CODE = re.compile("_i?[0-9]+"), re.compile("_i[0-9]+")


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
            and not (name[:1] == "_" and OF_CELLS.fullmatch(name))
        ]

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
