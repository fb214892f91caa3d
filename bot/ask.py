"""One asked turn: a person's words become the model's answer, by way of the cells that it runs."""

from dataclasses import dataclass

from bot.message import Asking
from bot.model import Model
from bot.reply import ExecutionResult, Tell
from bot.session import Session
from bot.usage import Ledger, TurnUsage

__all__ = ["Answer", "ask"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an asked turn: the model's words, its cells' results, what it took, whether it was stopped."""

    words: str
    results: tuple[ExecutionResult, ...]
    usage: TurnUsage
    stopped: bool = False


async def ask(session: Session, asking: Asking, model: Model, ledger: Ledger, tell: Tell) -> Answer:
    """Answer the words of a person, telling each piece, cell event and at last what it took.

    `session.interrupt()` stops request and cell; what was said so far is kept and returned. When the model
    fails, what was said and run so far is told and kept as well, and then it raises.

    Raises: ModelError, OverBudget, StoreUnavailable, KernelStartFailed.
    """
    raise NotImplementedError
