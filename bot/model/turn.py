"""One turn of the model: a person's words become its answer, by way of the cells that it runs.

    Request -> what was said in this place before, and the words -> Model.answer, told piece by piece
            -> its calls: cells through `bot.turn`, files -> their results -> and so on -> words, usage

What a turn has said and run is kept whatever happens: if it is stopped, if it goes over budget, and if the
model fails.
"""

import logging
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from bot.continuity.undo.undoable import number_of_cells
from bot.errors import BotError, CutOff, Refused, UndoRefused
from bot.model.conversation import ChatMessage, Counted, Delta, Item, Thought, ToolCall, ToolResult
from bot.model.history import History
from bot.model.prompt import (
    GO_ON,
    LAST,
    TOOLS,
    UNDO,
    BadCall,
    arguments,
    listing,
    picture_links,
    situation,
    system_prompt,
)
from bot.model.stopping import ModelTurn
from bot.model.tokens import entry_tokens, request_tokens, text_tokens
from bot.model.usage import Ledger, price
from bot.model.view import TOGETHER, attached, of_file, of_result, with_room
from bot.reply import ExecutionResult, Reply, Tell, TurnUsage
from bot.request import MODEL, Request, person
from bot.session import Session
from bot.turn import take_turn
from bot.wording.error_messages import for_operator, sentence
from bot.wording.undo_messages import undone
from filestore.errors import FileStoreError, NoSuchFile
from kernels.broker import FileUnavailable
from kernels.cell.events import Restarted
from kernels.concurrency.threads import in_thread
from kernels.errors import GoesOn, KernelError, NoSuchSave, TooLarge
from kernels.text.clipping import clip, counted

if TYPE_CHECKING:  # it takes a second to import
    from bot.model.client import Model

__all__ = ["ModelAnswer", "ask"]

log = logging.getLogger(__name__)

CUTS = 2  # times that the model is asked to go on with an answer that broke off
BAD_CALLS = 2  # calls that cannot be carried out and after which the model may try again
OUTPUT = 64 * 1024  # characters of a cell's text that an answer keeps; only the record has its pictures


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """The outcome of a turn: the model's words, the results of its cells, and what it used.

    In `words` a blank line separates what the model said before and after it used tools.
    """

    words: str
    results: tuple[ExecutionResult, ...]
    usage: TurnUsage
    stopped: bool = False


async def ask(
    session: Session,
    request: Request,
    model: "Model",
    ledger: Ledger,
    tell: Tell,
    model_turn: ModelTurn | None = None,
) -> ModelAnswer:
    """Answer a person's words; tell each piece of the answer, each cell event, and finally the usage.

    A session runs one such turn at a time in each place. `session.stop()` stops the API request and the cell;
    `model_turn.stop()` does so for this turn alone, even while it waits for another. What was said until then
    is kept and returned. If the model fails, what was said and run is kept too, and the usage is told before
    the error is raised.

    Raises: ModelError, OverBudget, StoreUnavailable, KernelStartFailed; KernelClosed when the session ends.
    """
    model_turn = model_turn or ModelTurn(request.place)
    with session.turn():
        async with session.asked(model_turn):
            return await _Answering(session, request, model, ledger, tell, model_turn).run()


class _Answering:
    """One turn of the model in progress."""

    def __init__(
        self,
        session: Session,
        request: Request,
        model: "Model",
        ledger: Ledger,
        tell: Tell,
        model_turn: ModelTurn,
    ) -> None:
        self._session = session
        self._request = request
        self._model = model
        self._tell = tell
        self._tools = (*TOOLS, UNDO) if session.saved else TOOLS
        self._model_turn = model_turn
        self._instructions = ""
        self._history: list[Item] = []
        self._words: list[str] = []  # what the model said in each finished round
        self._said: list[str] = []  # what it has said in this round, not yet in the transcript
        self._words_were_last = False  # told last, so that the next round's words begin a new paragraph
        self._calls: list[ToolCall] = []
        self._results: list[ExecutionResult] = []
        self._restarted: list[Restarted] = []
        self._bad_calls = 0
        self._room = TOGETHER  # bytes of pictures that cells may still show to the model
        self._price = price(model.name)
        self._account = ledger.open_account(request.user_id, self._price)
        self._sending = 0  # tokens of the API request in progress, by our own count
        self._input = self._output = 0
        self._cost = 0.0

    async def run(self) -> ModelAnswer:
        """Take the turn from its beginning to its end."""
        failed: Exception | None = None
        try:
            if not self._model_turn.stopped:
                await self._begin()
                await self._converse()
        except GoesOn:
            raise
        except (BotError, FileStoreError, KernelError) as error:  # the caller tells the person, last of all
            failed = error
        finally:
            await self._close_account()
        if self._used_something:
            await self._tell(Reply(0, usage=self._usage))
        ids = {"session": self._session.record.session_id, "turn": self._request.turn}
        if failed is not None:
            log.warning("the model's turn failed: %s", for_operator(failed), extra=ids)
            raise failed
        log.info(
            "the model's turn ended: %d tokens in, %d tokens out, %d cells",
            *(self._input, self._output, len(self._results)),
            extra=ids,
        )
        return ModelAnswer(
            "\n\n".join(self._words), tuple(self._results), self._usage, self._model_turn.stopped
        )

    @property
    def _usage(self) -> TurnUsage:
        seconds = sum(result.execution_time for result in self._results)
        cost = self._cost if self._price else None
        return TurnUsage(self._input, self._output, cost, seconds, self._model.name)

    @property
    def _used_something(self) -> bool:
        return self._input > 0 or bool(self._results)

    async def _begin(self) -> None:
        """Collect the history of this place, and record the new words."""
        request, transcript = self._request, self._session.transcript
        self._instructions = await in_thread(
            partial(system_prompt, self._session.python, network=self._session.network)
        )
        asked_words = request.words or ""
        words = "\n\n".join([asked_words, *request.cards])
        history = History(model=self._model.name, room=self._model.history_tokens)
        async with aclosing(transcript.said_in(self._session.heard(request.place))) as pages:
            async for page in pages:
                if not await in_thread(history.add_page, page):
                    break
        now = ChatMessage("note", situation(await self._session.kernel.state()))
        pictures = attached(request.pictures)
        hidden = len(request.pictures) - len(pictures)
        more = (
            f"\n\n[not shown to you, too large or too many: {counted(hidden, 'picture')}]" if hidden else ""
        )
        asked = ChatMessage("person", words + more, pictures, picture_links(asked_words))
        self._history = [*history.entries(), now, asked]
        await self._check()  # before the words are recorded: a refused question was never asked
        self._session.turns.go_on()  # nor was one whose session has been deleted by now
        await transcript.say(request.place, person(request.author), words)

    async def _converse(self) -> None:
        for used in range(self._model.rounds + 1):
            may_call = used < self._model.rounds and self._bad_calls <= BAD_CALLS
            if not may_call:
                self._history.append(ChatMessage("note", LAST))
            await self._answered(may_call=may_call)
            if self._model_turn.stopped or not self._calls or not may_call:
                break
            for call in self._calls:
                self._history.append(self._with_room(await self._use(call)))
        if not (self._words or self._results or self._model_turn.stopped):
            raise Refused("it answered with nothing")

    async def _answered(self, *, may_call: bool) -> None:
        """Get one whole answer of the model, continued if it breaks off."""
        try:
            for cut in range(CUTS + 1):
                await self._check()
                try:
                    await self._model_turn.carry_out(self._listen(may_call=may_call))
                    return
                except CutOff:
                    if cut == CUTS:
                        raise
                    self._history.append(ChatMessage("note", GO_ON))
        finally:
            said, self._said = "".join(self._said), []
            if said:
                self._words.append(said)
                await self._session.transcript.say(self._request.place, MODEL, said)

    async def _listen(self, *, may_call: bool) -> None:
        said: list[str] = []
        thoughts: list[Item] = []
        self._calls = []
        counted: Counted | None = None
        refused = False
        steps = self._model.answer(self._instructions, self._history, self._tools, may_call=may_call)
        try:
            async with aclosing(steps):
                async for step in steps:
                    match step:
                        case Delta(text):
                            between = "\n\n" if self._words_were_last and not self._said else ""
                            said.append(text)
                            self._said.append(text)
                            self._words_were_last = True
                            await self._tell(Reply(0, words=between + text))
                        case ToolCall():
                            self._calls.append(step)
                        case Thought():
                            thoughts.append(step)
                        case Counted():
                            counted = step
        except BotError as error:
            refused = not isinstance(error, CutOff) and not said
            raise
        finally:
            if counted is None and not refused:  # broken off or stopped, but what was sent has to be paid for
                written = text_tokens("".join(said)) + sum(
                    entry_tokens(c, self._model.name) for c in self._calls
                )
                counted = Counted(self._sending, written)
            self._count(counted or Counted(0, 0))
            self._account.end_request(self._usage)
            self._history += [*thoughts, *([ChatMessage("model", "".join(said))] if said else [])]
        if may_call:
            self._history += self._calls

    def _with_room(self, result: ToolResult) -> ToolResult:
        """The result without the pictures that are too many for one answer, but with a note on them."""
        pictures = with_room(result.pictures, self._room)
        self._room -= sum(len(picture.data) for picture in pictures)
        hidden = len(result.pictures) - len(pictures)
        note = (
            f"\n[not shown to you, too much for one answer: {counted(hidden, 'picture')}]" if hidden else ""
        )
        return replace(result, text=result.text + note, pictures=pictures)

    async def _use(self, call: ToolCall) -> ToolResult:
        """Carry out a call; if the model made a mistake, the result says which."""
        if self._model_turn.stopped:
            return ToolResult(call.id, "Not done: the person has stopped this.")
        try:
            given = arguments(call)
        except BadCall as error:
            self._bad_calls += 1
            return ToolResult(call.id, str(error))
        match call.name:
            case "run_python":
                return await self._run(call, given["code"])
            case "load_file":
                return await self._load(call, given["id"])
            case "undo":
                return await self._undo(call, given["cells"])
        return ToolResult(call.id, listing(await self._session.files.list()))

    async def _run(self, call: ToolCall, code: str) -> ToolResult:
        request = self._request.with_code(code, author=MODEL)
        self._restarted = []
        try:
            result = await take_turn(self._session, request, self._tell_cell, self._model_turn)
        except TooLarge as error:
            return ToolResult(call.id, sentence(error))
        self._results.append(replace(result, outputs=(), output=clip(result.output, OUTPUT)))
        text, pictures = await in_thread(of_result, result, tuple(self._restarted))
        now = situation(await self._session.kernel.state())
        return ToolResult(call.id, f"{text}\n\n{now}", pictures)

    async def _undo(self, call: ToolCall, wanted: str) -> ToolResult:
        """Take back cells of this turn, and tell the person, whose variables they are."""
        if not (cells := number_of_cells(wanted)):
            return ToolResult(call.id, "`cells` is a number from 1 on. Nothing was done; call again.")
        own = {result.cell for result in self._results}
        try:
            told = undone(await self._session.undo(cells, of=own))
        except (UndoRefused, NoSuchSave) as error:
            return ToolResult(call.id, sentence(error))
        await self._tell(Reply(0, words=f"\n\n*{told}*\n\n"))
        self._words_were_last = False
        return ToolResult(call.id, f"{told}\n\n{situation(await self._session.kernel.state())}")

    async def _load(self, call: ToolCall, wanted: str) -> ToolResult:
        files = self._session.files
        try:
            opened = await files.open(wanted)
            with opened.file:
                (name,) = await files.bring([opened.file_id])
                text, pictures = await in_thread(of_file, opened, name)
        except (FileUnavailable, NoSuchFile) as error:
            return ToolResult(call.id, str(error))
        return ToolResult(call.id, text, pictures)

    async def _tell_cell(self, reply: Reply) -> None:
        self._words_were_last = False
        if isinstance(reply.event, Restarted):
            self._restarted.append(reply.event)
        await self._tell(reply)

    async def _check(self) -> None:
        self._sending = await in_thread(
            request_tokens, self._instructions, list(self._history), self._tools, self._model.name
        )
        await self._model_turn.carry_out(self._account.begin_request(self._sending, self._usage))

    def _count(self, counted: Counted) -> None:
        self._input += counted.input_tokens
        self._output += counted.output_tokens
        self._cost += self._price.of(counted) if self._price else 0.0

    async def _close_account(self) -> None:
        try:
            await self._account.close(self._usage if self._used_something else None)
        except FileStoreError:  # the answer must not be lost because its usage is not recorded
            log.exception("the usage of a turn of person %d is not recorded", self._request.user_id)
