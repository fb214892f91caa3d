"""The lines below an answer: new files, files that were not kept, and what it took."""

from collections.abc import Sequence

from bot.discord.format.markdown import code_name, plain
from bot.discord.format.split import cut
from bot.reply import GeneratedFile, TurnUsage
from kernels.text.clipping import human_size
from kernels.workspace.captured import Skipped

__all__ = ["duration", "generated", "left_out", "receipt"]

NAMED = 10  # new files that are named; the others are counted
NAMED_LEFT = 5  # the same for files that were not kept
REASON = 120  # characters of a reason
WORTH = 1_000_000  # bytes of memory from which on it is worth showing


def generated(files: Sequence[GeneratedFile]) -> list[str]:
    """The summary of new files: type, size, id, and when they expire."""
    if not files:
        return []
    lines = [f"**Generated {len(files)} file(s)**"]
    for file in files[:NAMED]:
        ends = f"<t:{int(file.record.expires_at.timestamp())}:R>"
        about = f"{file.type} · {human_size(file.size)} · `{file.file_id}` · expires {ends}"
        lines.append(f"- {code_name(file.filename)} · {about}")
    if len(files) > NAMED:
        lines.append(f"-# … and {len(files) - NAMED} more: `/files` lists them")
    lines.append(
        f'-# `load_file("{files[0].file_id}")` brings it back in a cell, `/files` gets or deletes it'
    )
    return lines


def left_out(skipped: Sequence[Skipped]) -> list[str]:
    """The files that were not kept, each with its reason."""
    lines = [
        f"-# not kept: {code_name(one.name)}: {plain(cut(one.reason, REASON))}"
        for one in skipped[:NAMED_LEFT]
    ]
    if len(skipped) > NAMED_LEFT:
        lines.append(f"-# … and {len(skipped) - NAMED_LEFT} more were not kept")
    return lines


def receipt(seconds: float | None, memory: int | None, usage: TurnUsage | None) -> str:
    """What it took, in one line: "-# 1.2 s · 84 MB · 1,234 + 56 tokens · $0.004"; "" if nothing is known.

    `memory` is what the kernel uses now, in bytes.
    """
    parts = [] if seconds is None else [duration(seconds)]
    if memory is not None and memory >= WORTH:
        parts.append(human_size(memory))
    if usage is not None:
        parts.append(f"{usage.input_tokens:,} + {usage.output_tokens:,} tokens")
        if usage.cost is not None:
            parts.append(f"${_rounded(usage.cost)}")
        if usage.model:
            parts.append(plain(cut(usage.model, 60)))
    return f"-# {' · '.join(parts)}" if parts else ""


def duration(seconds: float) -> str:
    """A duration as people write it: "under 0.01 s", "0.04 s", "12 s", "3 min 5 s"."""
    if seconds < 10:
        return f"{seconds:.2g} s" if seconds >= 0.01 else "under 0.01 s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _rounded(cost: float) -> str:
    return f"{cost:.2f}" if cost >= 1 or cost == 0 else f"{cost:.2g}" if cost >= 0.0001 else f"{cost:.4f}"
