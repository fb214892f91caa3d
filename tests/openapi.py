"""Where Discord's OpenAPI document is: `DISCORD_OPENAPI`, or `shared/discord/openapi.json` near the checkout.

"Near" means in any folder above the checkout, or above the repository that it is a worktree or a clone of.
With `EXPECT_DISCORD_SCHEMA=1` a run without the document fails; otherwise it skips these checks
and says so.
"""

import os
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
PLACE = Path("shared", "discord", "openapi.json")


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _places() -> Iterator[Path]:
    if named := os.environ.get("DISCORD_OPENAPI"):
        yield Path(named)
        return
    yield from (above / PLACE for above in CHECKOUT.parents)
    for repository in (
        _git("rev-parse", "--path-format=absolute", "--git-common-dir"),
        _git("config", "remote.origin.url").removeprefix("file://"),
    ):
        if repository.startswith("/"):
            yield from (above / PLACE for above in Path(repository).parents)


@cache
def document() -> Path | None:
    """The file, or None if there is none."""
    return next((place for place in _places() if place.is_file()), None)


def expected() -> bool:
    """Whether a run without the document shall fail."""
    return os.environ.get("EXPECT_DISCORD_SCHEMA", "") not in ("", "0")


def told() -> str:
    """The line in which a run says whether it has the document."""
    if document() is not None:
        return "discord: requests and responses are checked against Discord's OpenAPI document"
    return "discord: NOT checked against Discord's OpenAPI document (set DISCORD_OPENAPI to its place)"
