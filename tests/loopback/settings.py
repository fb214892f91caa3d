"""The limits of the loopback Discord, all of which a test may set: `loopback(limits=Limits(file=1000))`."""

from dataclasses import dataclass, field

MiB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Rate:
    """At most this many requests in this many seconds."""

    requests: int
    seconds: float


def _rates() -> dict[tuple[str, str], Rate]:
    message = "/channels/{channel_id}/messages/{message_id}"
    return {
        ("POST", "/channels/{channel_id}/messages"): Rate(5, 5),
        ("PATCH", message): Rate(5, 5),
        ("DELETE", message): Rate(5, 1),
        ("PUT", message + "/reactions/{emoji_name}/@me"): Rate(1, 0.25),
        ("POST", "/channels/{channel_id}/typing"): Rate(5, 5),
        ("POST", message + "/threads"): Rate(50, 300),
        ("POST", "/channels/{channel_id}/threads"): Rate(50, 300),
        ("POST", "/webhooks/{webhook_id}/{webhook_token}"): Rate(5, 2),
        ("PATCH", "/webhooks/{webhook_id}/{webhook_token}/messages/@original"): Rate(5, 2),
        ("PATCH", "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}"): Rate(5, 2),
    }


@dataclass(frozen=True, slots=True)
class Limits:
    """What Discord allows; sizes in bytes, times in seconds."""

    file: int = 10 * MiB
    request: int = 25 * MiB
    acknowledge: float = 3
    token: float = 15 * 60
    url: float = 24 * 60 * 60
    heartbeat: float = 41.25
    resume: float = 120
    user_installed_followups: int = 5
    commands: int = 100
    old_message: float = 60 * 60
    old_message_edits: Rate = Rate(30, 60)
    every_request: Rate = Rate(50, 1)
    rates: dict[tuple[str, str], Rate] = field(default_factory=_rates)
    any_rate: Rate = Rate(50, 10)  # for routes that `rates` does not name
    message_content: bool = True  # whether the application may ask for that intent
