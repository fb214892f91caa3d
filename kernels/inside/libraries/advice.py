"""Notes on errors that a script would not raise: how the same is done in a cell.

advice.add(error)       # the note is shown with the error's text
"""

__all__ = ["add"]

NO_FILE = "A cell has no file. Your working folder is Path.cwd()."
AWAIT = "In a cell, write `await main()` or `asyncio.run(main())`: the kernel's own event loop is running."
RUNNING = ("This event loop is already running", "Cannot run the event loop while another loop is running")


def add(error: BaseException) -> None:
    """Add the note for this error if there is one, once."""
    if isinstance(error, NameError) and error.name == "__file__":
        _note(error, NO_FILE)
    elif isinstance(error, RuntimeError) and str(error) in RUNNING:
        _note(error, AWAIT)


def _note(error: BaseException, text: str) -> None:
    if text not in getattr(error, "__notes__", ()):
        error.add_note(text)
