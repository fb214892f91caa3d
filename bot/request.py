"""What a person has sent, as every front hands it on."""

import secrets
from dataclasses import dataclass, field, replace

__all__ = ["Asking", "Incoming", "Picture", "new_turn"]


def new_turn() -> str:
    """An id for all that comes of one message, by which the logs of bot and node join it."""
    return secrets.token_hex(4)


@dataclass(frozen=True, slots=True)
class Incoming:
    """Code to run for a person.

    `user_id` is the owner and comes from the front, never from the text. `author` is the name to show,
    `place` where it was written. `user_files` are ids or names of stored files to put into the workspace
    first. `can_answer` tells whether somebody is there to answer an `input()`. `turn` is for the log.
    """

    user_id: int
    author: str
    place: str
    code: str
    user_files: tuple[str, ...] = ()
    can_answer: bool = True
    turn: str = field(default_factory=new_turn)

    def with_code(self, code: str) -> "Incoming":
        """The same person in the same place, with other code and no files."""
        return replace(self, code=code, user_files=())


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture for the model to see; `mime` is such as "image/png"."""

    mime: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Asking:
    """Words of a person for the model.

    `user_id`, `author`, `place` and `can_answer` are those of `Incoming`. `cards` has a short text about each
    file that was sent along, its id included; `pictures` those of them that the model shall see.
    """

    user_id: int
    author: str
    place: str
    words: str
    cards: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    can_answer: bool = True
