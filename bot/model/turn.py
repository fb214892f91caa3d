"""One asked turn: a person's words become the model's answer, by way of the cells that it runs.

    Asking -> what was said in this place before, and the words -> Model.answer, told piece by piece
           -> its calls: cells through `bot.turn`, files -> their results, and again -> words, usage

What a turn has said and run is kept whatever happens: stopped, over budget, or with a model that fails.
"""

import logging
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from bot.errors import BotError, CutOff, Refused
from bot.model.conversation import Counted, HistoryEntry, Message, TextDelta, Thought, ToolCall, ToolResult
from bot.model.history import MODEL, History, person
from bot.model.prompt import (
    GO_ON,
    LAST,
    TOOLS,
    BadCall,
    arguments,
    listing,
    picture_links,
    situation,
    system_prompt,
)
from bot.model.tokens import entry_tokens, request_tokens, text_tokens
from bot.model.view import attached, of_file, of_result
from bot.reply import ExecutionResult, Reply, Tell
from bot.request import Asking, Incoming
from bot.session import ModelTurn, Session
from bot.spending.usage import Ledger, TurnUsage, price
from bot.turn import take_turn
from bot.wording.error_messages import advice, sentence
from filestore.errors import FileStoreError, NoSuchFile
from kernels.broker import FileUnavailable
from kernels.cell.events import Restarted
from kernels.concurrency.threads import in_thread
from kernels.errors import KernelError, TooLarge
from kernels.text.clipping import clip, counted

if TYPE_CHECKING:  # it takes a second to import
    from bot.model.client import Model

__all__ = ["Answer", "ask"]

log = logging.getLogger(__name__)

CUTS = 2  # times that an answer which broke off is gone on with
BAD_CALLS = 2  # calls that cannot be carried out and are answered with another chance
OUTPUT = 64 * 1024  # characters of a cell's text that an answer keeps; its pictures are in the record alone


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an asked turn: the model's words, what came of its cells, and what it took.

    `words` has a blank line between what was said before and after a use of tools.
    """

    words: str
    results: tuple[ExecutionResult, ...]
    usage: TurnUsage
    stopped: bool = False


async def ask(
    session: Session,
    asking: Asking,
    model: "Model",
    ledger: Ledger,
    tell: Tell,
    asked: ModelTurn | None = None,
) -> Answer:
    """Answer the words of a person, telling each piece, cell event and at last what it took.

    One at a time in a session and place. `session.stop()` stops request and cell, of this turn alone
    `asked.stop()`, also while it waits for another; what was said so far is kept and returned. When the model
    fails, what was said and run so far is kept as well, and what it took is told; then it raises.

    Raises: ModelError, OverBudget, StoreUnavailable, KernelStartFailed.
    """
    asked = asked or ModelTurn(asking.place)
    with session.turn():
        async with session.asked(asked):
            return await _Turn(session, asking, model, ledger, tell, asked).take()


class _Turn:
    """An asked turn under way."""

    def __init__(
        self, session: Session, asking: Asking, model: "Model", ledger: Ledger, tell: Tell, asked: ModelTurn
    ) -> None:
        self._session = session
        self._asking = asking
        self._model = model
        self._tell = tell
        self._asked = asked
        self._instructions = ""
        self._history: list[HistoryEntry] = []
        self._words: list[str] = []  # of each round that is over
        self._said: list[str] = []  # of this round, not yet in the transcript
        self._words_were_last = False  # of what was told: then the next round's words are a new paragraph
        self._calls: list[ToolCall] = []
        self._results: list[ExecutionResult] = []
        self._restarted: list[Restarted] = []
        self._bad_calls = 0
        self._price = price(model.name)
        self._account = ledger.open(asking.user_id, self._price)
        self._sending = 0  # tokens of the request under way, by our own count
        self._input = self._output = 0
        self._cost = 0.0

    async def take(self) -> Answer:
        """The whole of it."""
        failed: Exception | None = None
        try:
            if not self._asked.stopped:
                await self._begin()
                await self._converse()
        except (BotError, FileStoreError, KernelError) as error:  # told last, by whoever called
            failed = error
        finally:
            await self._settle()
        if self._took_something:
            await self._tell(Reply(0, usage=self._usage))
        ids = {"session": self._session.record.session_id, "turn": self._asked.id}
        if failed is not None:
            why = f"{sentence(failed, paths=True)} {advice(failed)}".rstrip()
            log.warning("the model's turn failed: %s", why, extra=ids)
            raise failed
        log.info(
            "the model's turn ended: %d tokens read, %d written, %d cells",
            *(self._input, self._output, len(self._results)),
            extra=ids,
        )
        return Answer("\n\n".join(self._words), tuple(self._results), self._usage, self._asked.stopped)

    @property
    def _usage(self) -> TurnUsage:
        seconds = sum(result.execution_time for result in self._results)
        cost = self._cost if self._price else None
        return TurnUsage(self._input, self._output, cost, seconds, self._model.name)

    @property
    def _took_something(self) -> bool:
        return self._input > 0 or bool(self._results)

    async def _begin(self) -> None:
        """Remember what was said here, and note the new words."""
        asking, transcript = self._asking, self._session.transcript
        self._instructions = await in_thread(
            partial(system_prompt, self._session.python, network=self._session.network)
        )
        words = "\n\n".join([asking.words, *asking.cards])
        past = History(model=self._model.name, room=self._model.history_tokens)
        async with aclosing(transcript.newest(asking.place)) as pages:
            async for page in pages:
                if not await in_thread(past.add, page):
                    break
        now = Message("note", situation(await self._session.kernel.state()))
        pictures = attached(asking.pictures)
        unseen = len(asking.pictures) - len(pictures)
        more = (
            f"\n\n[not shown to you, too large or too many: {counted(unseen, 'picture')}]" if unseen else ""
        )
        asked = Message("person", words + more, pictures, picture_links(asking.words))
        self._history = [*past.entries(), now, asked]
        await self._check()  # before the words are kept: who may not ask has not asked
        await transcript.say(asking.place, person(asking.author), words)

    async def _converse(self) -> None:
        for used in range(self._model.rounds + 1):
            may_call = used < self._model.rounds and self._bad_calls <= BAD_CALLS
            if not may_call:
                self._history.append(Message("note", LAST))
            await self._answered(may_call=may_call)
            if self._asked.stopped or not self._calls or not may_call:
                break
            for call in self._calls:
                self._history.append(await self._use(call))
        if not (self._words or self._results or self._asked.stopped):
            raise Refused("it answered with nothing")

    async def _answered(self, *, may_call: bool) -> None:
        """One whole answer of the model, gone on with where it broke off."""
        try:
            for cut in range(CUTS + 1):
                await self._check()
                try:
                    await self._asked.carry_out(self._listen(may_call=may_call))
                    return
                except CutOff:
                    if cut == CUTS:
                        raise
                    self._history.append(Message("note", GO_ON))
        finally:
            said, self._said = "".join(self._said), []
            if said:
                self._words.append(said)
                await self._session.transcript.say(self._asking.place, MODEL, said)

    async def _listen(self, *, may_call: bool) -> None:
        said: list[str] = []
        thoughts: list[HistoryEntry] = []
        self._calls = []
        counted: Counted | None = None
        refused = False
        steps = self._model.answer(self._instructions, self._history, TOOLS, may_call=may_call)
        try:
            async with aclosing(steps):
                async for step in steps:
                    match step:
                        case TextDelta(text):
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
            if counted is None and not refused:  # broken off or stopped: what was sent is paid for
                written = text_tokens("".join(said)) + sum(
                    entry_tokens(c, self._model.name) for c in self._calls
                )
                counted = Counted(self._sending, written)
            self._count(counted or Counted(0, 0))
            self._account.end(self._usage)
            self._history += [*thoughts, *([Message("model", "".join(said))] if said else [])]
        if may_call:
            self._history += self._calls

    async def _use(self, call: ToolCall) -> ToolResult:
        """What comes of a call; what the model did wrong is its answer."""
        if self._asked.stopped:
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
        return ToolResult(call.id, listing(await self._session.files.list()))

    async def _run(self, call: ToolCall, code: str) -> ToolResult:
        asking = self._asking
        message = Incoming(
            asking.user_id, MODEL, asking.place, code, can_answer=asking.can_answer, turn=self._asked.id
        )
        self._restarted = []
        try:
            result = await take_turn(self._session, message, self._tell_cell, self._asked)
        except TooLarge as error:
            return ToolResult(call.id, sentence(error))
        self._results.append(replace(result, outputs=(), output=clip(result.output, OUTPUT)))
        text, pictures = await in_thread(of_result, result, tuple(self._restarted))
        now = situation(await self._session.kernel.state())
        return ToolResult(call.id, f"{text}\n\n{now}", pictures)

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
            request_tokens, self._instructions, list(self._history), TOOLS, self._model.name
        )
        await self._asked.carry_out(self._account.begin(self._sending, self._usage))

    def _count(self, counted: Counted) -> None:
        self._input += counted.input_tokens
        self._output += counted.output_tokens
        self._cost += self._price.of(counted) if self._price else 0.0

    async def _settle(self) -> None:
        try:
            await self._account.close(self._usage if self._took_something else None)
        except FileStoreError:  # the answer is there; a missing sum must not take it away
            log.exception("what a turn of person %d took is not recorded", self._asking.user_id)
