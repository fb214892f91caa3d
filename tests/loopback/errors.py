"""How Discord refuses: `raise Refusal(10008)` in a route answers with Discord's status, code and sentence.

Codes: https://docs.discord.com/developers/topics/opcodes-and-status-codes
"""

from typing import Any

_TOLD = {
    0: (400, "Bad request"),
    10003: (404, "Unknown Channel"),
    10004: (404, "Unknown Guild"),
    10007: (404, "Unknown Member"),
    10008: (404, "Unknown Message"),
    10013: (404, "Unknown User"),
    10014: (400, "Unknown Emoji"),
    10015: (404, "Unknown Webhook"),
    10062: (404, "Unknown interaction"),
    10063: (404, "Unknown application command"),
    30032: (400, "Maximum number of application commands reached (100)"),
    30046: (429, "Maximum number of edits to messages older than 1 hour reached. Try again later"),
    40001: (401, "Unauthorized"),
    40005: (413, "Request entity too large"),
    40060: (400, "Interaction has already been acknowledged"),
    40094: (400, "This interaction has reached the maximum number of follow up messages"),
    50001: (403, "Missing Access"),
    50005: (403, "Cannot edit a message authored by another user"),
    50006: (400, "Cannot send an empty message"),
    50007: (403, "Cannot send messages to this user"),
    50013: (403, "Missing Permissions"),
    50024: (403, "Cannot execute action on this channel type"),
    50027: (401, "Invalid Webhook Token"),
    50035: (400, "Invalid Form Body"),
    50083: (400, "Thread is archived"),
    50109: (400, "The request body contains invalid JSON."),
    160004: (400, "A thread has already been created for this message"),
}


class Refusal(Exception):
    """What a route raises where Discord would refuse.

    `code` is Discord's; `status` and `message` follow from it unless given; `errors` are the details of an
    invalid form, by the place in the body; `retry_after` (seconds) belongs to a 429.
    """

    def __init__(
        self,
        code: int,
        *,
        status: int | None = None,
        message: str | None = None,
        errors: dict[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        known = _TOLD.get(code, (400, "Refused"))
        self.code = code
        self.status = status or known[0]
        self.message = message or known[1]
        self.errors = errors
        self.retry_after = retry_after
        super().__init__(f"{self.status} {self.code}: {self.message}")

    def body(self) -> dict[str, Any]:
        """The JSON of the answer."""
        told: dict[str, Any] = {"message": self.message, "code": self.code}
        if self.errors:
            told["errors"] = self.errors
        if self.retry_after is not None:
            told |= {"retry_after": self.retry_after, "global": False}
        return told


def invalid(where: str, code: str, message: str) -> Refusal:
    """A form that Discord does not take because of one field."""
    return Refusal(50035, errors={where: {"_errors": [{"code": code, "message": message}]}})


class NotPossible(AssertionError):
    """A person tried what their client would not let them do; the test, or the bot's message, is wrong."""
