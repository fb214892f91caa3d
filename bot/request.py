"""What a person has sent: who asks for what, and where. Every front makes one and hands it on to the turn."""

import secrets
from dataclasses import dataclass, field, replace

__all__ = ["MODEL", "Picture", "Request", "new_turn", "person"]

MODEL = "Kernelcord"  # the author of everything that the model says and runs


def new_turn() -> str:
    """A new id for everything that follows from one message; the logs of the bot and the node name it."""
    return secrets.token_hex(4)


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Picture:
    """A picture for the model to see; `mime` is such as "image/png"."""

    mime: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a person: `words` for the model, or, where these are None, `code` to run as it is.

    `user_id` is the person's id and comes from the front, never from the text. `author` is the name to show,
    and `place` is where the request was written. `user_files` are the ids or names of stored files to put
    into the workspace before the code runs. `cards` holds a short text about each file that came with the
    words, with the file's id; `pictures` are those of the files that the model is to see. Without
    `can_answer` nobody is there to answer an `input()`, which then fails. `turn` identifies the turn in the
    log.
    """

    user_id: int
    author: str
    place: str
    code: str = ""
    words: str | None = None
    cards: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    user_files: tuple[str, ...] = ()
    can_answer: bool = True
    turn: str = field(default_factory=new_turn)

    def with_code(self, code: str, *, author: str | None = None) -> "Request":
        """The same request with this code to run instead, and nothing else; by `author`, if given."""
        author = self.author if author is None else author
        return replace(self, author=author, code=code, words=None, cards=(), pictures=(), user_files=())


def person(author: str) -> str:
    """A person's name as the author of their words; it always differs from the model's name."""
    return f"{author} (a person)" if author.strip().casefold() == MODEL.casefold() else author
