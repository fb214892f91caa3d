"""Whether a message is code to run: the Python blocks in it.

code_of("look: ```py\\nprint(1)\\n```")      # "print(1)"
code_of("what is a list?")                  # None: words, for the model
"""

__all__ = ["code_of"]

PYTHON = frozenset({"py", "python", "python3", "py3", "ipython"})


def code_of(text: str, *, bare: bool = False) -> str | None:
    """The code of all fenced Python blocks of a message, joined; None where it has none.

    A block of another language, or with `bare` not given of none, is words, and so is what stands around the
    blocks. A block that is not closed goes to the end of the message.
    """
    raise NotImplementedError
