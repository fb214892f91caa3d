"""The model through the real client, against a server that speaks both APIs."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, Literal

import pytest
from llmock import scenarios
from llmock.testing import LLMockServer

from bot.errors import (
    BadKey,
    CutOff,
    ModelError,
    NoCredit,
    NoSuchAddress,
    NoSuchModel,
    OutOfReach,
    RateLimited,
    Refused,
    TooLong,
)
from bot.model.answer_bounds import EVENT, AnswerBounds
from bot.model.client import CUTS, RETRIES, Model
from bot.model.conversation import ChatMessage, Counted, Delta, Item, Step, Thought, ToolCall, ToolResult
from bot.model.prompt import TOOLS
from bot.request import Picture
from config.log import OneLine
from config.settings import load
from tests.model_server import Call, Fault, ModelServer, Raw, calls, run_python, says

KEY = "sk-secret-of-ours"
PNG = Picture("image/png", b"\x89PNG...")
ASKED: list[Item] = [ChatMessage("person", "hello")]


def impatient(*args: Any, **options: Any) -> Model:
    """A model that hardly waits before it retries."""
    return Model(*args, pause=0.01, **options)


@pytest.fixture(params=["responses", "chat"])
async def model(server: ModelServer, request: pytest.FixtureRequest) -> AsyncIterator[Model]:
    """A model behind each of the two APIs."""
    model = impatient(KEY, server.base_url, "gpt-test", request.param)
    yield model
    await model.close()


async def answer(model: Model, history: list[Item] = ASKED, *, may_call: bool = True) -> list[Step]:
    """All steps of an answer."""
    async with aclosing(model.answer("be brief", history, TOOLS, may_call=may_call)) as steps:
        return [step async for step in steps]


async def take(model: Model, into: list[Step]) -> None:
    """Collect the steps of an answer, as far as it gets."""
    async for step in model.answer("", ASKED, TOOLS):
        into.append(step)  # noqa: PERF401 - it may raise in the middle


async def test_words_come_in_pieces_and_then_the_counts(model: Model, server: ModelServer) -> None:
    """Each piece is a step of its own; the API's counts are taken, cached tokens too."""
    server.will(says("It is", " 42.", usage=(120, 7, 64)))
    assert await answer(model) == [Delta("It is"), Delta(" 42."), Counted(120, 7, 64)]


async def test_calls_come_whole_and_after_the_words(model: Model, server: ModelServer) -> None:
    """Two calls keep their ids and arguments; the client does not parse the arguments."""
    server.will(
        calls(Call("run_python", '{"code": "1"}', "a"), Call("odd", "{no json", "b"), words=["Wait."])
    )
    steps = [step for step in await answer(model) if not isinstance(step, Counted)]
    assert steps == [
        Delta("Wait."),
        ToolCall("a", "run_python", '{"code": "1"}'),
        ToolCall("b", "odd", "{no json"),
    ]


async def test_a_call_goes_back_with_its_result_and_pictures(model: Model, server: ModelServer) -> None:
    """Both APIs get the call, its text and the picture as an image; in Chat it follows the tool's message."""
    server.will(says("ok"))
    call = ToolCall("a", "run_python", '{"code": "plot"}')
    await answer(model, [*ASKED, ChatMessage("model", "Plotting."), call, ToolResult("a", "drawn", (PNG,))])
    request = server.requests[0]
    url = "data:image/png;base64,iVBORy4uLg=="
    if request.api == "responses":
        said, made, result = request.body["input"][1:]
        assert said == {"role": "assistant", "content": "Plotting."}
        assert (made["type"], made["call_id"]) == ("function_call", "a")
        assert result["output"][0] == {"type": "input_text", "text": "drawn"}
        assert result["output"][1]["image_url"] == url
        return
    _, _, made, result, shown = request.body["messages"]
    assert (made["content"], made["tool_calls"][0]["id"]) == ("Plotting.", "a")
    assert result == {"role": "tool", "tool_call_id": "a", "content": "drawn"}
    assert shown["content"][1] == {"type": "image_url", "image_url": {"url": url}}


async def test_roles_take_turns_in_chat(server: ModelServer) -> None:
    """Some models' templates refuse two messages of one role in a row."""
    model = impatient(KEY, server.base_url, "gpt-test")
    server.will(says("ok"))
    history: list[Item] = [
        ChatMessage("person", "one"),
        ChatMessage("note", "two"),
        ChatMessage("person", "three", (PNG,)),
    ]
    await answer(model, [*history, ChatMessage("model", "four"), ChatMessage("person", "five")])
    await model.close()
    (request,) = server.requests
    assert request.api == "chat"
    assert [message["role"] for message in request.body["messages"]] == [
        "system",
        "user",
        "assistant",
        "user",
    ]
    assert "three" in str(request.body["messages"][1])


async def test_sealed_thoughts_go_back_and_nothing_is_stored(server: ModelServer) -> None:
    """The Responses API is asked to store nothing, so the model's reasoning travels with its calls."""
    model = impatient(KEY, server.base_url, "gpt-test", "responses")
    server.will(calls(run_python("1"), thought="sealed"), says("ok"))
    thought, call, _ = await answer(model)
    assert isinstance(thought, Thought)
    assert isinstance(call, ToolCall)
    await answer(model, [*ASKED, thought, call, ToolResult(call.id, "1")])
    await model.close()
    body = server.requests[1].body
    assert body["input"][1]["encrypted_content"] == "sealed"
    assert body["store"] is False
    assert body["include"] == ["reasoning.encrypted_content"]


async def test_without_leave_no_call_is_asked_for(model: Model, server: ModelServer) -> None:
    """The tools stay listed for the API's cache, but the model may not choose one."""
    server.will(says("ok"))
    await answer(model, may_call=False)
    assert server.requests[0].body["tool_choice"] == "none"


@pytest.mark.parametrize("how", ["quiet", "reset", "garbage"])
async def test_an_answer_that_breaks_off_untold_is_asked_for_again(
    model: Model, server: ModelServer, how: str
) -> None:
    """A call that never ended is not made; the next answer stands alone."""
    server.will(calls(run_python("rm"), cut=how), says("fine"))
    steps = await answer(model)
    assert steps[0] == Delta("fine")
    assert not any(isinstance(step, ToolCall) for step in steps)
    assert len(server.requests) == 2


@pytest.mark.parametrize("how", ["quiet", "reset", "garbage"])
async def test_an_answer_that_breaks_off_in_the_middle_says_so(
    model: Model, server: ModelServer, how: str
) -> None:
    """Whether the stream closes normally, the connection breaks or half a line comes: it is incomplete."""
    server.will(says("It is", cut=how))
    steps: list[Step] = []
    with pytest.raises(CutOff):
        await take(model, steps)
    assert steps == [Delta("It is")]


async def test_an_answer_at_its_length_limit_is_counted_and_not_whole(
    model: Model, server: ModelServer
) -> None:
    """Tokens that were written have to be paid for."""
    server.will(says("It is", finish="length"))
    steps: list[Step] = []
    with pytest.raises(CutOff):
        await take(model, steps)
    assert steps == [Delta("It is"), Counted(100, 20, 0)]


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_passing_error_is_tried_again(model: Model, server: ModelServer, status: int) -> None:
    """Two failures, then an answer: nobody notices."""
    server.will(Fault(status), Fault(status), says("here"))
    assert (await answer(model))[0] == Delta("here")
    assert len(server.requests) == 3


@pytest.mark.parametrize(("status", "kind"), [(429, RateLimited), (500, OutOfReach), (503, OutOfReach)])
async def test_trying_again_has_an_end(
    model: Model, server: ModelServer, status: int, kind: type[ModelError]
) -> None:
    """Once the attempts are used up the error is raised."""
    server.will(*[Fault(status)] * 9)
    with pytest.raises(kind):
        await answer(model)
    assert len(server.requests) == RETRIES + 1


async def test_an_account_without_credit_is_told(model: Model, server: ModelServer) -> None:
    """It gets a different sentence from "too many requests"."""
    server.will(*[Fault(429, "insufficient_quota")] * 9)
    with pytest.raises(NoCredit):
        await answer(model)


async def test_a_wait_beyond_reason_is_not_waited(model: Model, server: ModelServer) -> None:
    """An hour of Retry-After is an error at once."""
    server.will(Fault(429, headers={"retry-after": "3600"}), says("late"))
    with pytest.raises(RateLimited):
        await answer(model)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(401, "invalid_api_key"), BadKey),
        (Fault(403), BadKey),
        (Fault(403, "model_not_found"), NoSuchModel),
        (Fault(404, "model_not_found"), NoSuchModel),
        (Fault(404, message='model "gpt-test" not found, try pulling it first'), NoSuchModel),  # Ollama
        (Fault(404, message="The model `gpt-test` does not exist."), NoSuchModel),  # vLLM
        (Fault(404, message="File Not Found"), NoSuchAddress),  # llama.cpp
        (Fault(404, message="Invalid URL (POST /chat/completions)"), NoSuchAddress),  # OpenAI
        (Fault(405, message="Method Not Allowed"), NoSuchAddress),
        (Fault(404, message="No endpoints found that support tool use"), Refused),  # OpenRouter
        (Fault(400, "context_length_exceeded"), TooLong),
        (Fault(400, message="the request exceeds the available context size"), TooLong),
        (Fault(413), TooLong),
        (Fault(400, message="invalid image"), Refused),
    ],
)
async def test_each_error_has_its_class(
    model: Model, server: ModelServer, fault: Fault, kind: type[ModelError]
) -> None:
    """What a person is told depends on it; none of these is retried."""
    server.will(fault)
    with pytest.raises(kind) as caught:
        await answer(model)
    assert type(caught.value) is kind
    assert len(server.requests) == 1


async def test_what_the_api_says_is_told_without_the_key(model: Model, server: ModelServer) -> None:
    """Some servers quote the key in their errors."""
    server.will(Fault(400, message=f"bad request with {KEY}"))
    with pytest.raises(Refused) as caught:
        await answer(model)
    assert caught.value.detail == "bad request with ***"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("code", ["server_error", "rate_limit_exceeded"])
async def test_an_answer_whose_stream_tells_an_error_is_asked_for_again(
    model: Model, server: ModelServer, code: str
) -> None:
    """openai's client retries only by status; a call that came before the error is not made."""
    server.will(calls(run_python("rm"), finish=code), says(finish=code), says("here"))
    steps = await answer(model)
    assert steps[0] == Delta("here")
    assert not any(isinstance(step, ToolCall) for step in steps)
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("code", "kind", "requests"),
    [
        ("server_error", OutOfReach, CUTS + 1),
        ("500", OutOfReach, CUTS + 1),
        ("503", OutOfReach, CUTS + 1),
        ("rate_limit_exceeded", RateLimited, CUTS + 1),
        ("429", RateLimited, CUTS + 1),
        ("insufficient_quota", NoCredit, 1),
        ("context_length_exceeded", TooLong, 1),
        ("400", Refused, 1),
        ("odd", Refused, 1),
    ],
)
async def test_an_error_within_the_stream_has_its_class_too(
    model: Model, server: ModelServer, code: str, kind: type[ModelError], requests: int
) -> None:
    """Retries are limited here as well, and there are none where they cannot help."""
    server.will(*[says(finish=code)] * 9)
    with pytest.raises(kind) as caught:
        await answer(model)
    assert type(caught.value) is kind
    assert len(server.requests) == requests


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("server_error", CutOff),
        ("rate_limit_exceeded", CutOff),
        ("insufficient_quota", NoCredit),
        ("odd", Refused),
    ],
)
async def test_an_error_within_the_stream_breaks_off_what_was_told(
    model: Model, server: ModelServer, code: str, kind: type[ModelError]
) -> None:
    """After some words, a temporary error means an incomplete answer, which can be continued."""
    server.will(says("It is", finish=code))
    steps: list[Step] = []
    with pytest.raises(kind) as caught:
        await take(model, steps)
    assert type(caught.value) is kind
    assert steps == [Delta("It is")]
    assert len(server.requests) == 1


async def test_an_error_within_the_stream_about_pictures_is_answered_without_them(
    model: Model, server: ModelServer
) -> None:
    """The answer is requested once more, without what the server does not accept."""
    server.will(says(finish="server_error", message="image input is not supported"), says("I cannot see."))
    assert (await answer(model, [*ASKED, ChatMessage("person", "see", (PNG,))]))[0] == Delta("I cannot see.")
    assert "base64" not in server.requests[1].text


async def test_a_filter_that_ends_the_answer_is_told(model: Model, server: ModelServer) -> None:
    """A filter is not a normal end."""
    server.will(says("It", finish="content_filter"))
    with pytest.raises(Refused):
        await answer(model)


async def test_what_cannot_be_encoded_is_refused(server: ModelServer) -> None:
    """A key with characters that no header can hold raises an error of ours, after one attempt."""
    model = impatient("sk-é", server.base_url, "gpt-test")
    with pytest.raises(Refused) as caught:
        await answer(model)
    assert caught.value.detail == "the request cannot be sent as ascii"
    await model.close()


async def test_nobody_at_the_address_is_out_of_reach(server: ModelServer) -> None:
    """A missing server raises an error of ours that has a sentence."""
    model = impatient("", server.base_url.replace("127.0.0.1", "127.0.0.2"), "gpt-test")
    with pytest.raises(OutOfReach):
        await answer(model)
    await model.close()


async def test_leaving_ends_the_request(model: Model, server: ModelServer) -> None:
    """The server sees its client hang up while the answer is still coming."""
    server.will(says("one", hold=asyncio.Event()))

    async def listen() -> None:
        await answer(model)

    task = asyncio.create_task(listen())
    await server.requested(1)
    task.cancel()
    await server.left()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_linked_picture_is_looked_at_by_openai_alone(server: ModelServer) -> None:
    """A self-hosted server would fetch it from inside one's own network."""
    model = impatient(KEY, server.base_url, "gpt-test", "responses")
    history: list[Item] = [ChatMessage("person", "see", links=("https://example.org/a.png",))]
    server.will(says("no"))
    await answer(model, history)
    assert "example.org" not in server.requests[0].text
    model._links = True
    server.will(Fault(400, message="the image_url cannot be read"), says("cannot see it"))
    assert (await answer(model, history))[0] == Delta("cannot see it")
    assert "example.org" in server.requests[1].text
    assert "example.org" not in server.requests[2].text
    await model.close()


async def test_the_key_is_in_no_line_of_the_log(
    model: Model, server: ModelServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even with the libraries' logging at its most verbose."""
    server.will(Fault(429), says("hello"))
    with caplog.at_level("DEBUG"):
        await answer(model)
    assert server.requests[0].headers["Authorization"] == f"Bearer {KEY}"
    secrets = load(openai_api_key=KEY).secrets
    lines = [OneLine(secrets).format(record) for record in caplog.records]
    assert any("retry" in line.lower() for line in lines)
    assert not any(KEY in line for line in lines)


@pytest.mark.parametrize("api", ["responses", "chat"])
async def test_another_servers_streams_are_read_as_well(api: Literal["responses", "chat"]) -> None:
    """llmock is not ours: what it streams, cuts short and refuses is understood just the same."""
    with LLMockServer() as other:
        model = impatient(KEY, other.base_url("openai"), "gpt-4o", api)
        other.state.scenarios.add(scenarios.Fail(429, retry_after=0.01))
        other.state.scenarios.add(
            scenarios.Reply(tool_calls=(scenarios.ToolCall("run_python", {"code": "1"}),))
        )
        steps = await answer(model)
        (call,) = [step for step in steps if isinstance(step, ToolCall)]
        assert (call.name, json.loads(call.arguments)) == ("run_python", {"code": "1"})
        other.state.scenarios.add(scenarios.Reply(text="It is forty-two, all told."))
        said = await answer(model, [*ASKED, call, ToolResult(call.id, "42")])
        assert "".join(step.text for step in said if isinstance(step, Delta)) == "It is forty-two, all told."
        assert any(isinstance(step, Counted) and step.output_tokens for step in said)
        other.state.scenarios.add(scenarios.Reply(text="a b c d e f g h"))
        other.state.scenarios.add(scenarios.StreamFault("truncate", after_chunks=6))
        with pytest.raises(CutOff):
            await answer(model)
        await model.close()


@pytest.mark.parametrize(
    ("status", "message", "again"),
    [
        (500, "image input is not supported - you may need to provide the mmproj", 0),
        (400, "This model does not support images", 0),
        (400, "Invalid image data", 1),
    ],
)
async def test_a_model_that_cannot_see_is_told_so_and_answers(
    model: Model, server: ModelServer, status: int, message: str, again: int
) -> None:
    """Many local models take no pictures; one broken picture is no reason to withhold the others."""
    faults = [Fault(status, message=message)] * (RETRIES + 1 if status == 500 else 1)
    history: list[Item] = [*ASKED, ChatMessage("person", "see", (PNG,))]
    server.will(*faults, says("I cannot see."), *[Fault(400, message=message)] * again, says("Still not."))
    assert (await answer(model, history))[0] == Delta("I cannot see.")
    assert "cannot be shown to you" in server.requests[-1].text
    assert "base64" not in server.requests[-1].text
    before = len(server.requests)
    assert (await answer(model, history))[0] == Delta("Still not.")
    assert len(server.requests) - before == 1 + again


@pytest.mark.parametrize("api", ["responses", "chat"])
async def test_an_address_without_an_api_is_told_as_one(server: ModelServer, api: str) -> None:
    """The commonest mistake is an address without its /v1: a 404, or with some servers a page or JSON."""
    root = server.base_url.removesuffix("/v1")
    for address in (root, f"{root}/page", f"{root}/odd"):
        model = impatient(KEY, address, "gpt-test", api)  # type: ignore[arg-type]
        with pytest.raises(NoSuchAddress) as caught:
            await answer(model)
        assert caught.value.detail.startswith(f"{address}/")
        await model.close()


def chunk(**delta: Any) -> bytes:
    """An event of Chat Completions with this delta."""
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    return b"data: " + json.dumps({"id": "1", "choices": [choice]}).encode() + b"\n\n"


DONE = (
    b'data: {"id": "1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
)


@pytest.fixture
async def chat(server: ModelServer) -> AsyncIterator[Model]:
    """A model behind Chat Completions, with small bounds."""
    model = impatient(
        KEY, server.base_url, "gpt-test", "chat", bounds=AnswerBounds(event=4096, answer=65_536)
    )
    yield model
    await model.close()


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r"])
async def test_many_small_events_are_read_to_the_bound(chat: Model, server: ModelServer, end: bytes) -> None:
    """What counts is the size of one event, however its end is written."""
    events = (chunk(content="x" * 100) * 100 + DONE).replace(b"\n\n", end)
    server.will(Raw(events))
    assert await answer(chat) == [Delta("x" * 100)] * 100


@pytest.mark.parametrize(
    "body",
    [b"data: " + b"x" * 8192, b"data: x\n" * 1024, chunk(content="x" * 100) * 1000],
    ids=["a line", "an event of many lines", "an answer"],
)
async def test_what_is_too_large_is_a_broken_answer(chat: Model, server: ModelServer, body: bytes) -> None:
    """A server that sends without end takes neither memory nor the event loop."""
    server.will(*[Raw(body)] * (CUTS + 1))
    with pytest.raises(CutOff):
        await answer(chat)


async def test_a_compressed_answer_is_not_taken(model: Model, server: ModelServer) -> None:
    """It was not asked for, and a few bytes of it can stand for any number."""
    large = Raw(gzip.compress(b"x" * (2 * EVENT)), {"Content-Encoding": "gzip"})
    server.will(*[large] * (RETRIES + 1))
    with pytest.raises(OutOfReach):
        await answer(model)
    assert {request.headers["Accept-Encoding"] for request in server.requests} == {"identity"}


async def test_an_error_without_end_is_not_read(chat: Model, server: ModelServer) -> None:
    """Its text is bounded as an answer is."""
    server.will(Fault(400, message="x" * 8192))
    with pytest.raises(ModelError):
        await answer(chat)


async def test_words_in_parts_are_words(chat: Model, server: ModelServer) -> None:
    """Some servers send them as a list."""
    parts = [{"type": "text", "text": "Hel"}, {"type": "odd"}, {"type": "text", "text": "lo."}]
    server.will(Raw(chunk(content=parts) + DONE))
    assert await answer(chat) == [Delta("Hello.")]


@pytest.mark.parametrize(
    "odd",
    [
        b"data: 5\n\n",
        b'data: {"choices": 5}\n\n',
        b'data: {"choices": [5]}\n\n',
        b'data: {"choices": [{"delta": "x"}]}\n\n',
        chunk(content=5),
        chunk(content=[5]),
        chunk(content=[{"type": "text", "text": 5}]),
        chunk(tool_calls=5),
        chunk(tool_calls=[{"index": [1], "id": "1", "function": {"name": "x", "arguments": "{}"}}]),
        chunk(tool_calls=[{"index": 0, "id": "1", "function": {"name": 5, "arguments": "{}"}}]),
        chunk(tool_calls=[{"index": 0, "id": 5, "function": {"name": "x", "arguments": "{}"}}]),
        chunk(tool_calls=[{"index": 0, "id": "1", "function": {"name": "x", "arguments": {"a": 1}}}]),
        b"data: " + b"[" * 3000 + b"\n\n",
    ],
)
async def test_an_answer_of_another_kind_is_told_as_broken_off(
    chat: Model, server: ModelServer, odd: bytes
) -> None:
    """Whatever a server sends, the person reads a sentence about the answer, not about our fault."""
    server.will(*[Raw(odd + DONE)] * (CUTS + 1))
    with pytest.raises(CutOff):
        await answer(chat)


@pytest.mark.parametrize(
    "odd",
    [
        {"type": "response.output_text.delta", "delta": 5},
        {"type": "response.output_item.done", "item": 5},
        {"type": "response.output_item.done", "item": {"type": "function_call", "call_id": 5, "name": 5}},
        {"type": "response.completed", "response": 5},
        {"type": "response.failed", "response": {"error": {"code": [], "message": []}}},
        {"type": "error", "code": 5, "message": {}},
    ],
)
async def test_an_event_of_another_kind_is_told_as_one_of_the_models_errors(
    server: ModelServer, odd: dict[str, Any]
) -> None:
    """As above, with the other API."""
    model = impatient(KEY, server.base_url, "gpt-test", "responses")
    server.will(*[Raw(b"data: " + json.dumps(odd).encode() + b"\n\n")] * (CUTS + 1))
    with pytest.raises(ModelError):
        await answer(model)
    await model.close()
