"""What a turn looks like in chat: one live message while it goes on, and the last state. Pure.

draft = Draft(code=code)
draft.add(reply)                            # every Reply of the turn
page = draft.page(now=monotonic())          # what the live message shows now
page = draft.final(await studio.draw(draft.to_draw))
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bot.delivery import Upload
from bot.pictures import ToDraw
from bot.reply import GeneratedFile, Reply
from kernels.events import InputRequest

__all__ = ["Draft", "Page"]


@dataclass(frozen=True, slots=True)
class Page:
    """An answer as it stands.

    `parts` are the message texts, each at most 2,000 characters and with whole fences: exactly one of a live
    page, one to four of the last. `uploads` are to be sent with the last of them; `files`, which the text
    names with their ids, may be.
    """

    parts: tuple[str, ...]
    uploads: tuple[Upload, ...] = ()
    files: tuple[GeneratedFile, ...] = ()


class Draft:
    """One turn's answer as it grows. Nothing in it waits or reads.

    `code` is what the person typed, to be shown on top. `plotly_script` gives the JavaScript for figures of
    plotly, see `kernels.packages.plotly_script`; it is called at most in `final`.
    """

    def __init__(
        self, *, code: str | None = None, plotly_script: Callable[[], str] | None = None
    ) -> None: ...

    def add(self, reply: Reply) -> None:
        """Take one step of the answer in."""
        raise NotImplementedError

    def answered(self) -> None:
        """The question has its answer."""
        raise NotImplementedError

    @property
    def question(self) -> InputRequest | None:
        """What the running cell asks and waits for now."""
        raise NotImplementedError

    @property
    def to_draw(self) -> tuple[ToDraw, ...]:
        """What is a picture only once it was drawn in the sandbox: wide tables, LaTeX, SVG."""
        raise NotImplementedError

    def page(self, *, now: float) -> Page:
        """The live message; `now` in seconds of any clock."""
        raise NotImplementedError

    def final(self, drawn: Mapping[int, bytes] | None = None, *, note: str = "") -> Page:
        """The last state; `drawn` has PNGs by the keys of `to_draw`, and what it lacks is shown as text.

        `note` is a sentence of the front's own that ends the text, such as that of an error
        (`bot.failures.sentence`) that ended the turn.
        """
        raise NotImplementedError
