"""What an error does not say: how the same is done in a cell, where it is done another way than in a script.

advice.add(error)       # as a note, which goes with the error's text
"""

__all__ = ["add"]

NO_FILE = "A cell has no file. Your working folder is Path.cwd()."
AWAIT = "In a cell, write `await main()` or `asyncio.run(main())`: the kernel's own event loop is running."
RUNNING = ("This event loop is already running", "Cannot run the event loop while another loop is running")


def add(error: BaseException) -> None:
    """Add what is known of it, once."""
    if isinstance(error, NameError) and error.name == "__file__":
        _note(error, NO_FILE)
    elif isinstance(error, RuntimeError) and str(error) in RUNNING:
        _note(error, AWAIT)


def _note(error: BaseException, text: str) -> None:
    if text not in getattr(error, "__notes__", ()):
        error.add_note(text)
