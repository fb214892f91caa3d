"""Where a person types: cells at a prompt, and answers to what a cell asks.

    keyboard = Keyboard(data / "history", terminal.kernel)
    text = await keyboard.typed(">>> ")
    keyboard.questions.put_question(session, question)

Only a person at a terminal needs this module, so a script does not import it, and loads a quarter less.
"""

import codeop
import warnings
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import has_focus
from prompt_toolkit.history import FileHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.lexers import PygmentsLexer
from prompt_toolkit.patch_stdout import patch_stdout
from pygments.lexers.python import PythonLexer

from bot.terminal.hints import Kernel, KernelCompleter, Signature
from bot.terminal.question import QuestionPrompt

__all__ = ["Keyboard", "finished"]


class Keyboard:
    """The terminal's prompts. The file `history` keeps what is typed; `kernel` gives completions."""

    def __init__(self, history: Path, kernel: Kernel) -> None:
        self.questions = QuestionPrompt()
        self._signature = Signature(kernel)
        self._prompt: PromptSession[str] = PromptSession(
            history=FileHistory(str(history)),
            multiline=True,
            lexer=PygmentsLexer(PythonLexer),
            key_bindings=_keys(),
            completer=KernelCompleter(kernel),
            complete_while_typing=False,
            bottom_toolbar=lambda: self._signature.text or None,
            reserve_space_for_menu=6,
            prompt_continuation=lambda width, _line, _wrapped: "." * (width - 1) + " ",
        )

        self._prompt.default_buffer.on_text_changed += self._signature.follow

    async def typed(self, prompt: str) -> str:
        """A whole cell; output that comes meanwhile appears above it.

        Standard output is replaced only meanwhile, because the replacement writes from a thread of its own,
        which could collide with the next prompt. Raises: EOFError, KeyboardInterrupt.
        """
        self._signature.text = ""
        with patch_stdout(raw=True):
            return await self._prompt.prompt_async(prompt)


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter", filter=has_focus(DEFAULT_BUFFER))
    def _(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.document.is_cursor_at_the_end and finished(buffer.text):
            buffer.validate_and_handle()
        else:
            opens_block = buffer.document.current_line_before_cursor.rstrip().endswith(":")
            buffer.newline(copy_margin=not buffer.document.current_line.isspace())
            buffer.insert_text("    " if opens_block else "")

    @keys.add("tab", filter=has_focus(DEFAULT_BUFFER))
    def _(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if not buffer.document.current_line_before_cursor.strip():
            buffer.insert_text("    ")
        elif buffer.complete_state:
            buffer.complete_next()
        else:
            buffer.start_completion(insert_common_part=True)

    return keys


def finished(text: str) -> bool:
    """Whether Enter at the end of `text` runs it: a whole statement, or a block and an empty line."""
    *before, last = text.split("\n")
    closed = bool(before) and not last.strip()
    if text.lstrip().startswith(("%%", "@")):
        return closed
    if text.lstrip().startswith(("%", "!", "?")) or text.rstrip().endswith("?"):
        return not text.rstrip().endswith("\\")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # running the cell will warn of an invalid escape
            whole = codeop.compile_command(text, symbol="exec") is not None
    except (SyntaxError, ValueError, OverflowError):
        return True  # the kernel will say what is wrong
    return whole and (closed or not last.startswith((" ", "\t")))
