"""How long the bot on Discord waits, and how much it sends, where no setting says it."""

from dataclasses import dataclass

from bot.discord.answers.traffic import LONGEST
from bot.discord.api.speaking import KNOWN

__all__ = ["Bounds"]


@dataclass(frozen=True, slots=True)
class Bounds:
    """See the module's text. Times are in seconds."""

    register_again: float = 60.0  # until commands that Discord did not accept are registered again
    member_known: float = KNOWN  # for which an answer of Discord's about a member counts
    edit_waits: float = LONGEST  # that an edit which can wait does so for live answers
    apart: float = 2.5  # paces between two such edits in a channel: at most two of Discord's five in 5 s
    late_messages: int = 5  # for one cell; what comes later is only in its record
    list_open: float = 14 * 60.0  # that a list of files works, which is the life of its interaction
    question_open: float = 5 * 60.0  # in which a deletion can be confirmed
