"""Help from the kernel while a person types: Tab completes names, "(" shows a function's signature.

completer, signature = KernelCompleter(kernel), Signature(kernel)      # `await kernel()` gives the kernel
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable

from prompt_toolkit.application import get_app
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from bot.errors import BotError
from filestore.errors import FileStoreError
from kernels.errors import KernelError
from kernels.interface import PersonKernel
from kernels.text import visible

__all__ = ["Kernel", "KernelCompleter", "Signature"]

FIRST = re.compile(r"^(?:Init s|S)ignature:\s*(.*?)(?=^\w[\w ]*:|\Z)", re.MULTILINE | re.DOTALL)

FAILING = (BotError, FileStoreError, KernelError, OSError)

Kernel = Callable[[], Awaitable[PersonKernel]]


class KernelCompleter(Completer):
    """Completions from the kernel; none while a cell runs, or before the first one."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def get_completions(self, _document: Document, _complete_event: CompleteEvent) -> Iterable[Completion]:
        """None: see `get_completions_async`."""
        return ()

    async def get_completions_async(
        self,
        document: Document,
        complete_event: CompleteEvent,  # noqa: ARG002  prompt_toolkit passes it
    ) -> AsyncGenerator[Completion, None]:
        """The completions that the kernel gives."""
        at = document.cursor_position
        try:
            found = await (await self._kernel()).complete(document.text, at)
        except FAILING:  # the next cell says so
            return
        for match in found.matches:
            yield Completion(match, found.start - at, display=visible.text(match))


class Signature:
    """The signature of the function whose call is being typed, for a line below the prompt."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._asking: asyncio.Task[None] | None = None
        self.text = ""

    def follow(self, buffer: Buffer) -> None:
        """Called whenever the text at the prompt has changed."""
        before = buffer.document.text_before_cursor
        if before.endswith("(") and len(before) > 1:
            if self._asking is not None:
                self._asking.cancel()
            self._asking = asyncio.ensure_future(self._ask(before))
        elif not before or before.endswith((")", "\n")):
            self.text = ""

    async def _ask(self, before: str) -> None:
        try:
            told = await (await self._kernel()).inspect(before[:-1], len(before) - 1)
        except FAILING:
            return
        found = FIRST.search(told)
        self.text = " ".join(visible.text(found[1]).split()) if found else ""
        get_app().invalidate()
