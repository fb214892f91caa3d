"""What fits, and which saves have to go."""

import pytest

from kernels.state.errors import StateFull
from kernels.state.quota import Held, Quotas, Surplus


def quotas(held: dict[str, Held] | None = None, *, quota: int = 100, disk: int = 1000) -> Quotas:
    """An account that finds these saves."""
    return Quotas(quota, disk, lambda: dict(held or {}))


def held(newest: int, *older: tuple[int, float], at: float = 99.0) -> Held:
    """Saves of 10 bytes each before a newest one."""
    return Held(newest + 10 * len(older), newest, (*older, (100, at)))


def test_room_is_what_the_newest_saves_of_the_persons_other_sessions_leave() -> None:
    """The session's own saves and everybody's older ones can go."""
    account = quotas({"u1-a": held(30, (1, 1.0)), "u1-b": held(50), "u2-a": held(90), "u11-a": held(7)})
    assert account.room("u1-a") == 50
    assert account.room("u1-b") == 70
    assert account.room("u1-c") == 20
    assert account.room("u2-a") == 100
    assert account.room("other") == 100


def test_everybody_together_have_a_limit_too() -> None:
    """A person with room of their own has none if others' newest saves take it all."""
    account = quotas({"u1-a": held(90), "u2-a": held(80)}, disk=200)
    assert account.room("u3-a") == 30
    assert account.room("u2-a") == 100
    with pytest.raises(StateFull) as full:
        account.check("u3-a", 31)
    assert full.value.limit == "disk"
    account.check("u3-a", 30)


def test_room_that_is_never_negative() -> None:
    """A limit that was lowered leaves people without room, and their newest saves where they are."""
    account = quotas({"u1-a": held(90)}, quota=50)
    assert account.room("u1-b") == 0
    assert account.surplus("u1-b", ()) is None


def test_two_saves_at_once_cannot_take_the_same_room() -> None:
    """A claim counts at once, and no longer than it is held."""
    account = quotas()
    with account.claimed("u1-a", 60):
        assert account.room("u1-a") == 100
        assert account.room("u1-b") == 40
        with pytest.raises(StateFull) as full, account.claimed("u1-b", 41):
            pass
        assert full.value.limit == "quota"
        with account.claimed("u1-b", 40), account.claimed("u2-a", 100):
            pass
    assert account.room("u1-b") == 100


def test_what_is_there_is_counted_once() -> None:
    """When it is first asked; from then on it is told."""
    counts = []
    account = Quotas(100, 1000, lambda: counts.append(1) or {"u1-a": held(40)})
    account.forget("u1-a")  # not counted yet: what is gone is not found
    assert counts == []
    assert account.room("u1-b") == 60
    account.put("u1-a", held(70))
    assert account.room("u1-b") == 30
    account.forget("u1-a")
    assert account.room("u1-b") == 100
    assert counts == [1]


def test_the_oldest_of_the_person_goes_first() -> None:
    """Never a session's newest, never another person's for the person's quota, and in their order."""
    account = quotas(
        {
            "u1-a": held(40, (1, 5.0), (2, 3.0)),
            "u1-b": held(40, (8, 4.0), at=0.0),
            "u2-a": held(10, (1, 1.0)),
        }
    )
    assert account.surplus("u2-a", ()) is None
    assert account.surplus("u1-a", ()) == Surplus("u1-b", 8)
    assert account.surplus("u1-a", {"u1-b"}) == Surplus("u1-a", 1)
    assert account.surplus("u1-a", {"u1-a", "u1-b"}) is None
    account.put("u1-b", held(40))
    assert account.surplus("u1-a", ()) is None


def test_the_oldest_of_all_goes_if_everybody_has_too_much() -> None:
    """Whoever saves."""
    account = quotas({"u1-a": held(40, (1, 5.0)), "u2-a": held(40, (4, 2.0))}, disk=99)
    assert account.surplus("u3-a", ()) == Surplus("u2-a", 4)
    assert account.surplus("u1-a", {"u2-a"}) == Surplus("u1-a", 1)


def test_what_is_kept_by_name_goes_after_all_others() -> None:
    """Also after newer ones of other sessions, and of other people."""
    kept = Held(60, 10, ((1, 1.0), (100, 99.0)), frozenset({1}))
    account = quotas({"u1-a": kept, "u1-b": held(40, (7, 50.0))})
    assert account.surplus("u1-a", ()) == Surplus("u1-b", 7)
    assert account.surplus("u1-a", {"u1-b"}) == Surplus("u1-a", 1)
    account = quotas({"u1-a": kept, "u2-a": held(40, (7, 50.0))}, disk=100)
    assert account.surplus("u1-a", ()) == Surplus("u2-a", 7)
