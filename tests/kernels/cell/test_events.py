"""A kernel's messages become events or are refused; nothing else can happen."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from kernels.cell.events import (
    MAX_STREAM,
    BadMessage,
    ClearOutput,
    Display,
    Event,
    Failure,
    InputRequest,
    Result,
    Stream,
    cost,
    from_message,
)
from kernels.node.encoding import encode
from kernels.node.messages import CellEvent, read_news
from kernels.wire.weight import weight

MAX_TEXT, MAX_DISPLAY = 400, 200
KINDS = (
    "stream",
    "display_data",
    "update_display_data",
    "execute_result",
    "error",
    "clear_output",
    "input_request",
    "comm_open",
)
FIELDS = [
    "name",
    "text",
    "data",
    "metadata",
    "transient",
    "display_id",
    "ename",
    "evalue",
    "traceback",
    "wait",
]
MORE = ["prompt", "password", "execution_count", "text/plain", "image/png"]
KEYS = st.sampled_from([*FIELDS, *MORE])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=500),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=12,
)


def made(kind: str, content: object) -> Event | None:
    """The event made from a message, within this module's limits."""
    return from_message(kind, content, max_text=MAX_TEXT, max_display=MAX_DISPLAY)


def test_one_message_of_text_is_clipped() -> None:
    """It is drawn in one go, so it may be no longer than what an honest kernel sends at once."""
    event = made("stream", {"text": f"a{'x' * 2 * MAX_STREAM}z"})
    assert isinstance(event, Stream)
    assert len(event.text) < MAX_STREAM + 100
    assert (event.text[0], event.text[-1]) == ("a", "z")
    assert "left out" in event.text


@given(st.sampled_from(KINDS), JSON)
def test_any_content_is_an_event_or_a_bad_message(kind: str, content: object) -> None:
    """Whatever a kernel sends, nothing but BadMessage is raised, and an event can be stored as it is.

    It can also be sent to a bot as it is: an unreadable one would end every connection of the session.
    """
    try:
        event = made(kind, content)
    except BadMessage:
        return
    if event is not None:
        assert read_news(encode(CellEvent(run="a", event=event))) == CellEvent(run="a", event=event)
    match event:
        case Display(bundle, metadata, display_id):
            json.dumps([bundle, metadata, display_id], allow_nan=False, ensure_ascii=False).encode()
            others = [value for mime, value in bundle.items() if mime != "text/plain"]
            assert sum(len(value) for value in others if isinstance(value, str)) <= MAX_DISPLAY
        case Result(bundle, count):
            json.dumps([bundle, count], allow_nan=False, ensure_ascii=False).encode()
        case Failure(ename, evalue, traceback):
            "".join([ename, evalue, *traceback]).encode()
        case Stream(name, text):
            text.encode()
            assert name in ("stdout", "stderr")
        case InputRequest(prompt, _):
            prompt.encode()


@pytest.mark.parametrize(
    ("kind", "content", "event"),
    [
        ("stream", {"name": "stderr", "text": "a"}, Stream("stderr", "a")),
        ("clear_output", {"wait": True}, ClearOutput(wait=True)),
        ("input_request", {"prompt": "?", "password": True}, InputRequest("?", password=True)),
        ("error", {"ename": "E", "evalue": "v", "traceback": ["a", "b"]}, Failure("E", "v", ("a", "b"))),
        (
            "display_data",
            {"data": {"image/png": "aa"}, "metadata": {}, "transient": {"display_id": "i"}},
            Display({"image/png": "aa"}, {}, "i"),
        ),
        (
            "update_display_data",
            {"data": {"text/plain": "a"}, "transient": {"display_id": "i"}},
            Display({"text/plain": "a"}, {}, "i", update=True),
        ),
        (
            "execute_result",
            {"data": {"text/plain": "2"}, "execution_count": 3},
            Result({"text/plain": "2"}, 3),
        ),
        ("comm_open", {"data": {}}, None),
    ],
)
def test_honest_messages_become_their_events(kind: str, content: object, event: Event | None) -> None:
    """Each kind of message that means something here has its event, and any other has none."""
    assert made(kind, content) == event


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("stream", []),
        ("stream", {"name": "stdout"}),
        ("stream", {"name": "stdout", "text": 1}),
        ("display_data", {"data": "text"}),
        ("error", {"ename": "E", "evalue": "v", "traceback": "text"}),
        ("input_request", {"prompt": None}),
    ],
)
def test_wrong_shapes_are_bad_messages(kind: str, content: object) -> None:
    """A missing key or a wrong type is reported as such."""
    with pytest.raises(BadMessage):
        made(kind, content)


def test_a_display_nested_too_deep_is_a_bad_message() -> None:
    """A JSON display that could not be written out again is refused."""
    value: object = 1
    for _ in range(500):
        value = [value]
    with pytest.raises(BadMessage):
        from_message(
            "display_data", {"data": {"application/json": value}}, max_text=MAX_TEXT, max_display=1 << 20
        )


def test_a_display_over_the_limit_is_named() -> None:
    """A display that is too large becomes a sentence beside its plain text; whatever fits stays."""
    content = {"data": {"text/plain": "<Figure>", "image/png": "x" * (MAX_DISPLAY + 1), "text/html": "<b>"}}
    event = made("display_data", content)
    assert isinstance(event, Display)
    assert event.bundle["text/html"] == "<b>"
    assert "image/png" not in event.bundle
    assert event.bundle["text/plain"].startswith(
        "<Figure>\n[image/png left out: 201 B, over the 200 B limit]"
    )


def test_the_limit_holds_for_all_of_a_display_together() -> None:
    """Many types, each within the limit, cannot exceed it together."""
    data = {f"text/{number}": "x" * 100 for number in range(5)}
    event = made("display_data", {"data": data})
    assert isinstance(event, Display)
    assert sum(mime in event.bundle for mime in data) == MAX_DISPLAY // 100


def test_an_execution_count_is_a_small_number_or_none() -> None:
    """A count that no database could hold becomes None."""
    for count in (10**30, -1, True, 1.0, "1"):
        event = made("execute_result", {"data": {}, "execution_count": count})
        assert isinstance(event, Result)
        assert event.count is None


def test_a_picture_is_weighed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is weighed on arrival; later counts use that weight, which equals a fresh one."""
    weighed: list[int] = []

    def weigh(value: object) -> int:
        weighed.append(found := weight(value))
        return found

    monkeypatch.setattr("kernels.cell.events.weight", weigh)
    data = {"image/png": "A" * 1_000_000, "text/plain": "one", "text/html": "<b>\0</b>"}
    event = from_message("display_data", {"data": data}, max_text=1 << 20, max_display=8 << 20)
    assert isinstance(event, Display)
    costs = {cost(event) for _ in range(5)} | {cost(replace(event, update=True))}
    assert sum(map(weighed.count, {one for one in weighed if one > 1_000_000})) == 1
    plain = Display(dict(event.bundle), event.metadata, event.display_id)
    assert costs == {cost(plain)}
