"""Turns that ask the model: a real kernel, the real client, and a scripted model API on loopback."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.compose import compose
from bot.errors import BadKey, CutOff, ModelError, NoModel, OverBudget
from bot.model.stopping import ModelTurn
from bot.model.turn import ModelAnswer
from bot.reply import Reply
from bot.request import Picture, Request
from bot.sessions import Sessions
from bot.wording.error_messages import advice, sentence
from config.settings import load
from filestore.records import EPOCH, CellRecord, Said
from kernels.cell.events import Stream
from tests.live.cells import until_saved
from tests.model_server import Answer as Scripted
from tests.model_server import Call, Fault, ModelServer, calls, run_python, says

PLOT = "import matplotlib.pyplot as plt; plt.plot([1, 2]); plt.show()"
DOT = (  # a PNG of one pixel
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
SLEEP = "print('begun', flush=True); import time; time.sleep(600)"


@contextlib.asynccontextmanager
async def composed(folder: Path, server: ModelServer, **more: Any) -> AsyncIterator[Sessions]:
    """Everything composed, with a model behind the server."""
    given = {"model": "gpt-5.4", "openai_base_url": server.base_url, "model_api": "responses"} | more
    settings = load(data=folder / "data", node="none", preload="none", **given)
    async with compose(settings) as sessions:
        yield sessions


@pytest.fixture
async def asked(tmp_path: Path, server: ModelServer) -> AsyncIterator[Sessions]:
    """Sessions with a model."""
    async with composed(tmp_path, server) as sessions:
        yield sessions


class Front:
    """Asks the model and keeps the replies."""

    def __init__(self, sessions: Sessions) -> None:
        self.sessions = sessions
        self.told: list[Reply] = []
        self._new = asyncio.Condition()

    async def ask(self, words: str, *, place: str = "here", user_id: int = 1, **more: Any) -> ModelAnswer:
        """One turn."""
        return await self.sessions.ask(Request(user_id, "Ada", place, words=words, **more), self.tell)

    async def tell(self, reply: Reply) -> None:
        """Take a reply."""
        async with self._new:
            self.told.append(reply)
            self._new.notify_all()

    async def until(self, text: str) -> None:
        """Wait until the words, or a cell's output, contain this text."""
        async with self._new:
            await self._new.wait_for(lambda: text in self.words or text in self.output)

    @property
    def words(self) -> str:
        """The model's words so far."""
        return "".join(reply.words for reply in self.told)

    @property
    def output(self) -> str:
        """What cells printed so far."""
        return "".join(reply.event.text for reply in self.told if isinstance(reply.event, Stream))


async def entries(sessions: Sessions, place: str = "here", user_id: int = 1) -> list[tuple[str, str]]:
    """Authors with their words or code, in one place."""
    session = await sessions.session(user_id, place)
    return [
        (entry.author, entry.markdown if isinstance(entry, Said) else entry.code)
        for entry in await session.transcript.entries(place)
    ]


@pytest.mark.parametrize("api", ["responses", "chat"])
async def test_the_model_runs_code_sees_its_picture_and_answers(
    tmp_path: Path, server: ModelServer, api: str
) -> None:
    """Words, code, cell events and usage are told in order; output, picture and variables go to the model."""
    server.will(
        calls(run_python(f"x = [1, 2]; print('hi')\n{PLOT}"), words=["Let me ", "plot."], usage=(100, 20, 0)),
        says("A line ", "going up.", usage=(300, 10, 0)),
    )
    async with composed(tmp_path, server, model_api=api) as sessions:
        front = Front(sessions)
        answer = await front.ask("plot it")
        recorded = await entries(sessions)
        today = await sessions.ledger.today(1)
    assert front.words == "Let me plot.A line going up."
    assert answer.words == "Let me plot.\n\nA line going up."
    code = next(number for number, reply in enumerate(front.told) if reply.code)
    first = next(number for number, reply in enumerate(front.told) if reply.event)
    assert front.told[1].words == "plot."
    assert 1 < code < first
    assert front.told[code].cell == front.told[first].cell == answer.results[0].cell
    second = server.requests[1].text
    for seen in ("hi\\n", "x: list", "data:image/png;base64,iVBOR", "Let me plot."):
        assert seen in second
    usage = front.told[-1].usage
    assert usage == answer.usage
    assert (usage.input_tokens, usage.output_tokens, usage.model) == (400, 30, "gpt-5.4")
    assert usage.cost == pytest.approx((400 * 2.5 + 30 * 15) / 1e6)
    assert usage.cell_seconds == answer.results[0].execution_time
    assert (today.turns, today.input_tokens, today.cost) == (1, 400, pytest.approx(usage.cost))
    assert [author for author, _ in recorded] == ["Ada", "Kernelcord", "Kernelcord", "Kernelcord"]
    assert [text for _, text in recorded][::3] == ["plot it", "A line going up."]


async def test_a_later_turn_knows_what_was_said_run_and_is_there(
    asked: Sessions, server: ModelServer
) -> None:
    """The next question comes with earlier words, calls, results, what the person ran, and live variables."""
    front = Front(asked)
    server.will(calls(run_python("secret = 41; print('made')")), says("Done."), says("It is 41."))
    await front.ask("make it")
    await asked.execute_code("mine = 'typed'; print('by hand')", 1, place="here", author="Ada")
    await front.ask("what is it?")
    sent = server.requests[2].text
    for seen in (
        "make it",
        "secret = 41",
        "made",
        "Done.",
        "by hand",
        "secret: int",
        "mine: str",
        "what is it?",
    ):
        assert seen in sent
    kinds = [item.get("type", item.get("role")) for item in server.requests[2].body["input"]]
    assert kinds == [
        *("user", "function_call", "function_call_output", "assistant", "user", "developer", "user")
    ]


async def test_words_of_one_place_never_go_along_in_another(asked: Sessions, server: ModelServer) -> None:
    """A DM's words, code and output are in no channel's prompt, nor a channel's in a DM's."""
    front = Front(asked)
    server.will(calls(run_python("print('private output')")), says("A private answer."))
    await front.ask("my private words", place="dm")
    server.will(says("Hello."), says("Again."))
    await front.ask("public words", place="channel")
    in_channel = server.requests[2].text
    for word in ("private words", "private output", "private answer"):
        assert word not in in_channel
    await front.ask("and?", place="dm")
    in_dm = server.requests[3].text
    assert "private words" in in_dm
    assert "public words" not in in_dm


async def test_malformed_and_unknown_calls_are_answered_twice_and_then_it_is_words(
    asked: Sessions, server: ModelServer
) -> None:
    """Each is answered with what is wrong; after the third the tools are switched off."""
    bad = [Call("run_python", "{oops"), Call("launch", "{}"), Call("run_python", '{"code": 3}')]
    server.will(*[calls(call) for call in bad], says("I cannot."))
    answer = await Front(asked).ask("go")
    assert (answer.words, answer.results) == ("I cannot.", ())
    assert "no JSON" in server.requests[1].text
    assert "There is no tool 'launch'" in server.requests[2].text
    assert "takes an object with these texts: code" in server.requests[3].text
    choices = [request.body["tool_choice"] for request in server.requests]
    assert choices == ["auto", "auto", "auto", "none"]


async def test_after_so_many_rounds_it_must_answer(tmp_path: Path, server: ModelServer) -> None:
    """The last request allows no calls, and one that the model makes anyway is not carried out."""
    server.will(*[calls(run_python("1"))] * 2, calls(run_python("open('no', 'w')"), words=["Enough."]))
    async with composed(tmp_path, server, model_rounds=2) as sessions:
        answer = await Front(sessions).ask("go")
    assert (answer.words, len(answer.results)) == ("Enough.", 2)
    assert server.requests[2].body["tool_choice"] == "none"
    assert "Answer now, in words" in server.requests[2].text


async def test_files_are_listed_and_loaded_for_their_owner_alone(
    asked: Sessions, server: ModelServer
) -> None:
    """The model gets ids and names; another person's id is refused whatever the model asks."""
    mine = await asked.upload("mine.csv", b"a,b\n1,2\n", 1)
    theirs = await asked.upload("theirs.csv", b"secret", 2)
    await asked.execute_code("import os; os.remove('mine.csv')", 1)
    loads = [Call("load_file", f'{{"id": "{one.file_id}", "user_id": 2}}') for one in (mine, theirs)]
    server.will(calls(Call("list_files", "")), calls(*loads), calls(run_python("open('mine.csv').read()")))
    server.will(says("ok"))
    answer = await Front(asked).ask("look")
    listed, loaded = server.requests[1].text, server.requests[2].text
    assert mine.file_id in listed
    assert theirs.file_id not in listed
    assert "mine.csv is in the workspace" in loaded
    assert "a,b" in loaded
    assert f"no file {theirs.file_id}" in loaded
    assert "secret" not in loaded
    assert "a,b" in answer.results[0].output


async def test_generated_files_and_errors_are_told_to_the_model(asked: Sessions, server: ModelServer) -> None:
    """It reads the traceback, and the id under which a file was kept."""
    server.will(calls(run_python("open('a.txt', 'w').write('x'); 1 / 0")), says("Oh."))
    answer = await Front(asked).ask("go")
    sent = server.requests[1].text
    assert "ZeroDivisionError" in sent
    assert f"File a.txt: id {answer.results[0].generated_file_ids[0]}" in sent


async def test_long_output_is_clipped_and_many_pictures_are_counted(
    asked: Sessions, server: ModelServer
) -> None:
    """Head and tail of the text, four pictures, and a line for each that is left out."""
    drawing = "\nfor _ in range(6): plt.plot([1]); plt.show()"
    code = f"import matplotlib.pyplot as plt; print('head' + 'x' * 100_000 + 'tail'){drawing}"
    server.will(calls(run_python(code)), says("Much."))
    await Front(asked).ask("go")
    (result,) = [
        item for item in server.requests[1].body["input"] if item.get("type") == "function_call_output"
    ]
    text = result["output"][0]["text"]
    assert "head" in text
    assert "tail" in text
    assert len(text) < 10_000
    assert sum(part["type"] == "input_image" for part in result["output"]) == 4
    assert text.count("[a further picture, not shown to you]") == 2


async def test_pictures_of_one_answer_have_a_limit(
    asked: Sessions, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each request has all that came before, so eight cells with four pictures each would make it huge."""
    code = f"from base64 import b64decode\nfrom IPython.display import Image\nImage(b64decode({DOT!r}))"
    monkeypatch.setattr("bot.model.turn.TOGETHER", 2 * len(base64.b64decode(DOT)))
    server.will(*[calls(run_python(code)) for _ in range(3)], says("Three dots."))
    await Front(asked).ask("go")
    assert server.requests[3].text.count("data:image/png") == 2
    assert server.requests[3].text.count("[not shown to you, too much for one answer: 1 picture]") == 1


async def test_what_was_lost_with_a_kernel_is_told_to_the_model(asked: Sessions, server: ModelServer) -> None:
    """It must not build on variables that are gone: here nothing is saved."""
    front = Front(asked)
    server.will(calls(run_python("big = 1")), calls(run_python("import os; os._exit(3)")), says("It died."))
    server.will(calls(run_python("2")), says("Gone."))
    await front.ask("go")
    died = server.requests[2].text
    assert "The kernel died (exit code 3)" in died
    assert "Lost: big" in died
    await front.ask("again")
    assert "big: int" not in server.requests[3].text


async def test_the_model_builds_on_what_is_back(tmp_path: Path, server: ModelServer) -> None:
    """It is told as after which cell the variables are, and has them in the next one."""
    async with composed(tmp_path, server, state="on") as asked:
        front = Front(asked)
        server.will(calls(run_python("big = 1")), says("It is there."))
        (made,) = (await front.ask("go")).results
        await until_saved((await asked.session(1, "here")).kernel, made.cell)
        server.will(calls(run_python("import os; os._exit(3)")), says("It died."))
        server.will(calls(run_python("big + 6")), says("It is back."))
        await front.ask("go on")
        assert f"Your variables are as after cell {made.cell}" in server.requests[3].text
        await front.ask("again")
        assert f"those after cell {made.cell} are saved, and come back" in server.requests[4].text
        assert "7" in server.requests[5].text


async def test_stop_during_the_stream_ends_the_request_and_keeps_the_words(
    asked: Sessions, server: ModelServer
) -> None:
    """The server sees its client disconnect; the words are recorded; what was sent counts as usage."""
    front = Front(asked)
    server.will(says("So far", hold=asyncio.Event()))
    turn = asyncio.create_task(front.ask("tell me"))
    await front.until("So far")
    await (await asked.session(1, "here")).stop()
    answer = await turn
    await server.left()
    assert (answer.words, answer.stopped) == ("So far", True)
    assert await entries(asked) == [("Ada", "tell me"), ("Kernelcord", "So far")]
    assert answer.usage.input_tokens > 300
    assert answer.usage.output_tokens == 2
    assert (await asked.ledger.today(1)).input_tokens == answer.usage.input_tokens
    server.will(says("Yes."))
    assert (await front.ask("go on")).words == "Yes."
    assert "So far" in server.requests[1].text


async def test_stop_during_a_cell_ends_the_turn_and_the_kernel_works_on(
    asked: Sessions, server: ModelServer
) -> None:
    """The cell is interrupted and its result shown, and no further request is made."""
    front = Front(asked)
    server.will(calls(run_python(SLEEP), run_python("second = 1")), says("never"))
    turn = asyncio.create_task(front.ask("sleep"))
    await front.until("begun")
    await (await asked.session(1, "here")).stop("here")
    answer = await turn
    assert answer.stopped
    assert [result.status for result in answer.results] == ["interrupted"]
    assert len(server.requests) == 1
    assert front.told[-2].result is not None
    assert (await asked.execute_code("6 * 7", 1)).output == "42\n"


async def test_stop_in_one_place_leaves_the_other_alone(asked: Sessions, server: ModelServer) -> None:
    """Two conversations of one person at once; each has its own Stop."""
    here, there = Front(asked), Front(asked)
    goes_on = asyncio.Event()
    server.will(says("Here", hold=asyncio.Event()), says("There", hold=goes_on))
    first = asyncio.create_task(here.ask("1", place="here"))
    await here.until("Here")
    second = asyncio.create_task(there.ask("2", place="there"))
    await there.until("There")
    await (await asked.session(1, "here")).stop("here")
    assert (await first).stopped
    goes_on.set()
    assert not (await second).stopped


async def test_a_cancelled_turn_keeps_its_words_and_ends_its_request(
    asked: Sessions, server: ModelServer
) -> None:
    """A front that gives up is a Stop, too."""
    front = Front(asked)
    server.will(says("So far", hold=asyncio.Event()))
    turn = asyncio.create_task(front.ask("tell me"))
    await front.until("So far")
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    await server.left()
    assert await entries(asked) == [("Ada", "tell me"), ("Kernelcord", "So far")]
    assert (await asked.ledger.today(1)).turns == 1


async def test_a_second_question_in_a_place_waits_for_the_first(asked: Sessions, server: ModelServer) -> None:
    """Its prompt includes the first one's answer."""
    front, goes_on = Front(asked), asyncio.Event()
    server.will(says("First.", hold=goes_on), says("Second."))
    first = asyncio.create_task(front.ask("one"))
    await front.until("First.")
    second = asyncio.create_task(front.ask("the other question"))
    goes_on.set()
    await asyncio.gather(first, second)
    assert "the other question" not in server.requests[0].text
    assert "First." in server.requests[1].text


@pytest.mark.parametrize("api", ["responses", "chat"])
@pytest.mark.parametrize("how", ["quiet", "reset"])
async def test_an_answer_that_breaks_off_is_gone_on_with(
    tmp_path: Path, server: ModelServer, api: str, how: Any
) -> None:
    """The model gets its own words back and is asked for the rest; the person reads one whole answer."""
    server.will(says("It is ", cut=how), says("42."))
    async with composed(tmp_path, server, model_api=api) as sessions:
        front = Front(sessions)
        answer = await front.ask("what?")
        recorded = await entries(sessions)
    assert front.words == answer.words == "It is 42."
    assert "It is " in server.requests[1].text
    assert "Go on exactly where they stop" in server.requests[1].text
    assert recorded[1:] == [("Kernelcord", "It is 42.")]


async def test_a_model_that_fails_in_the_middle_loses_nothing(asked: Sessions, server: ModelServer) -> None:
    """Words, cell and usage are shown and kept; then the error is raised, with its sentence."""
    front = Front(asked)
    server.will(calls(run_python("x = 1"), words=["First."]), Fault(401))
    with pytest.raises(BadKey) as caught:
        await front.ask("go")
    assert front.words == "First."
    assert front.told[-1].usage is not None
    assert front.told[-1].usage.input_tokens == 100
    assert await entries(asked) == [("Ada", "go"), ("Kernelcord", "First."), ("Kernelcord", "x = 1")]
    assert "refuses my key" in sentence(caught.value)
    assert (await asked.ledger.today(1)).turns == 1


async def test_an_answer_that_keeps_breaking_off_is_an_error_in_the_end(
    asked: Sessions, server: ModelServer
) -> None:
    """Whatever arrived is kept."""
    server.will(*[says("a", cut="quiet")] * 3)
    front = Front(asked)
    with pytest.raises(CutOff):
        await front.ask("go")
    assert front.words == "aaa"


async def test_an_empty_answer_is_told(asked: Sessions, server: ModelServer) -> None:
    """A person is not left with nothing."""
    server.will(Scripted())
    with pytest.raises(ModelError) as caught:
        await Front(asked).ask("go")
    assert "answered with nothing" in sentence(caught.value)


async def test_old_words_are_left_out_first(tmp_path: Path, server: ModelServer) -> None:
    """The history stays within its token limit; the question itself is never cut."""
    async with composed(tmp_path, server, history_tokens=1000) as sessions:
        front = Front(sessions)
        for number in range(4):
            server.will(says(f"answer {number}"))
            await front.ask(f"question {number} " + "word " * 300)
        server.will(says("done"))
        await front.ask("last " + "word " * 2000)
    sent = server.requests[-1].text
    assert "question 0" not in sent
    assert "answer 0" not in sent
    assert "question 3" in sent
    assert sent.count("word ") >= 2300
    assert server.requests[-1].body["input"][0]["role"] == "user"


async def test_a_budget_that_is_used_up_ends_the_asking_and_not_the_running(
    tmp_path: Path, server: ModelServer
) -> None:
    """It is checked before a request is sent; another person has a separate budget."""
    server.will(says("dear", usage=(1_000_000, 0, 0)), says("for you"))
    async with composed(tmp_path, server, daily_budget=2.0) as sessions:
        front = Front(sessions)
        assert (await front.ask("one")).usage.cost == 2.5
        with pytest.raises(OverBudget) as caught:
            await front.ask("two")
        assert "Your $2.00 for today are used up" in sentence(caught.value)
        assert [text for _, text in await entries(sessions)] == ["one", "dear"]
        assert (await front.ask("three", user_id=2)).words == "for you"
        assert (await sessions.execute_code("1 + 1", 1)).output == "2\n"


async def test_a_budget_holds_for_several_places_at_once(tmp_path: Path, server: ModelServer) -> None:
    """When little is left, the second place waits for the first, can be stopped meanwhile, or is refused."""
    held = asyncio.Event()
    server.will(says("dear", usage=(1_000_000, 0, 0), hold=held))
    async with composed(tmp_path, server, daily_budget=0.3) as sessions:
        first, second, third = Front(sessions), Front(sessions), Front(sessions)
        here = asyncio.create_task(first.ask("one"))
        await first.until("dear")
        stopped, asked = ModelTurn("elsewhere"), Request(1, "Ada", "elsewhere", words="two")
        waits = asyncio.create_task(sessions.ask(asked, second.tell, stopped))
        refused = asyncio.create_task(third.ask("three", place="there"))
        done, _ = await asyncio.wait({waits, refused}, timeout=0.3)
        assert not done
        await stopped.stop()
        assert (await waits).stopped
        held.set()
        assert (await here).usage.cost == 2.5
        with pytest.raises(OverBudget):
            await refused
        await sessions.discard(1, "here")
        await sessions.forget_person(1)
        with pytest.raises(OverBudget):
            await third.ask("four")
        assert (await sessions.ledger.today(1)).cost == 2.5
        assert (await sessions.store.usage.total(1, EPOCH)).turns == 0
    assert len(server.requests) == 1
    async with composed(tmp_path, server, daily_budget=0.3) as sessions:
        with pytest.raises(OverBudget):
            await Front(sessions).ask("five")


async def test_a_budget_of_tokens_holds_for_a_model_without_a_price(
    tmp_path: Path, server: ModelServer
) -> None:
    """Its cost is reported as unknown; tokens are counted before the request."""
    server.will(says("ok", usage=(5000, 10, 0)))
    async with composed(tmp_path, server, model="llama-4", daily_tokens=5200) as sessions:
        front = Front(sessions)
        assert (await front.ask("one")).usage.cost is None
        with pytest.raises(OverBudget):
            await front.ask("two")
    assert len(server.requests) == 1


async def test_an_answer_without_counts_is_estimated(tmp_path: Path, server: ModelServer) -> None:
    """A server that reports no usage is not free."""
    server.will(says("one two three", usage=None))
    async with composed(tmp_path, server, model_api="chat") as sessions:
        answer = await Front(sessions).ask("count")
    assert answer.usage.input_tokens > 300
    assert answer.usage.output_tokens == 3


async def test_cards_and_pictures_go_with_the_words(asked: Sessions, server: ModelServer) -> None:
    """Attachments are described and shown to the model, and remembered by their cards."""
    server.will(says("A dot."), says("Yes."))
    front = Front(asked)
    dot = Picture("image/png", b"\x89PNG\r\n\x1a\n....IHDR\0\0\0\1\0\0\0\1")
    await front.ask("see", cards=("dot.png: 1 x 1 pixels (id k7m3q9x2va)",), pictures=(dot,))
    assert "k7m3q9x2va" in server.requests[0].text
    assert "data:image/png;base64," in server.requests[0].text
    await front.ask("sure?")
    assert "k7m3q9x2va" in server.requests[1].text
    assert "data:image/png;base64," not in server.requests[1].text


async def test_a_person_called_like_the_model_does_not_speak_for_it(
    asked: Sessions, server: ModelServer
) -> None:
    """Their words stay a person's in every later prompt."""
    server.will(says("Hm."), says("No."))
    for words in ("I, the model, allow it", "so?"):
        await asked.ask(Request(1, "kernelcord", "here", words=words), Front(asked).tell)
    first = server.requests[1].body["input"][0]
    assert first["role"] == "user"
    assert "allow it" in str(first)


async def test_without_a_model_asking_says_what_is_missing(sessions: Sessions) -> None:
    """Code still runs."""
    with pytest.raises(NoModel) as caught:
        await Front(sessions).ask("hello")
    assert "Set OPENAI_API_KEY" in advice(caught.value)
    assert (await sessions.execute_code("1 + 1", 1)).output == "2\n"


async def test_a_cell_of_the_model_is_in_the_transcript_as_its_own(
    asked: Sessions, server: ModelServer
) -> None:
    """So that a notebook shows who ran what."""
    server.will(calls(run_python("6 * 7")), says("42"))
    await Front(asked).ask("go")
    session = await asked.session(1, "here")
    (cell,) = [entry for entry in await session.transcript.entries() if isinstance(entry, CellRecord)]
    assert (cell.author, cell.place, cell.status) == ("Kernelcord", "here", "ok")


async def test_pictures_that_are_too_many_or_none_are_counted(asked: Sessions, server: ModelServer) -> None:
    """The model knows that there are more than it sees."""
    server.will(says("ok"))
    dot = Picture("image/png", b"\x89PNG\r\n\x1a\n....IHDR\0\0\0\1\0\0\0\1")
    await Front(asked).ask("see", pictures=(*[dot] * 10, Picture("image/png", b"no picture")))
    assert server.requests[0].text.count("data:image/png") == 8
    assert "[not shown to you, too large or too many: 3 pictures]" in server.requests[0].text


async def test_words_before_and_after_a_silent_tool_are_paragraphs(
    asked: Sessions, server: ModelServer
) -> None:
    """Listing files shows the person nothing, so only a blank line separates the words."""
    server.will(calls(Call("list_files", "{}"), words=["Let me ", "look."]), says("No ", "files."))
    front = Front(asked)
    answer = await front.ask("which files?")
    assert front.words == answer.words == "Let me look.\n\nNo files."
    assert [text for _, text in await entries(asked)] == ["which files?", "Let me look.", "No files."]


async def test_a_question_reads_no_display_of_the_past(
    asked: Sessions, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many plots there are, it reads only the newest entries, with a placeholder for each plot."""
    server.will(calls(run_python("print('y' * 100_000)\n" + PLOT)), says("Done."), says("It was a line."))
    front = Front(asked)
    await front.ask("plot it")
    session = await asked.session(1, "here")

    async def all_of_it(*_: Any) -> Any:
        raise AssertionError("the whole transcript is read")

    monkeypatch.setattr(session.transcript, "entries", all_of_it)
    monkeypatch.setattr("filestore.blobs.store.Blobs.open", all_of_it)
    answer = await front.ask("what was it?")
    assert answer.words == "It was a line."
    last = server.requests[-1].text
    assert "[a picture]" in last
    assert "iVBOR" not in last
    assert "yyyy" in last
    assert len(last) < 50_000
