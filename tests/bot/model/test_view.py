"""What the model sees of pictures: as many as fit."""

from bot.model.view import ATTACHED, PICTURE, TOGETHER, attached, with_room
from bot.request import Picture

HEAD = b"\x89PNG\r\n\x1a\n....IHDR\0\0\0\1\0\0\0\1"


def picture(size: int) -> Picture:
    """A picture of this many bytes."""
    return Picture("image/png", HEAD.ljust(size, b"\0"))


def test_pictures_without_room_are_left_out_and_smaller_ones_stay() -> None:
    """The room is for all of them together."""
    first, large, last = picture(60), picture(61), picture(40)
    assert with_room([first, large, last], 100) == (first, last)
    assert with_room([], 0) == ()


def test_attached_pictures_have_one_room() -> None:
    """Eight may be of the largest size one by one, but not all at the same time."""
    largest = [picture(PICTURE) for _ in range(ATTACHED)]
    assert len(attached(largest)) == TOGETHER // PICTURE == 4
    assert len(attached([picture(1000) for _ in range(ATTACHED + 1)])) == ATTACHED
