"""What every kernel does, wherever it runs."""

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import msgspec
import pytest
from msgspec import Raw

from kernels.cell.events import Display, Event, Failure, InputRequest, Queued, Result, Stream, Unstopped
from kernels.cell.result import Late
from kernels.client import session_socket
from kernels.errors import CheckpointRefused, NoQuestion, NoSuchSave, TooLarge
from kernels.interface import WORKSPACE_FULL, Kernels, PersonKernel
from kernels.limits import Limits
from kernels.node import messages
from kernels.pool import Pool
from kernels.wire.sizes import LARGEST_ANSWER, LARGEST_CODE
from kernels.workspace.captured import FileChanged
from tests.contract.conftest import node_settings, noded
from tests.contract.files import CONTENT, SomeFiles
from tests.live.cells import Ran, late_until, run, until, value

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]


async def test_output_value_and_error_are_told_in_order_and_are_the_result(kernel: PersonKernel) -> None:
    """Each comes as an event, and the result has all of them."""
    ran = await run(kernel, "x = 20\nprint('hello')\nx + 1", tag=1)
    assert ran.events == [
        Stream("stdout", "hello\n"),
        Result({"text/plain": "21"}, ran.result.execution_count),
    ]
    assert (ran.status, ran.output) == ("ok", "hello\n21\n")
    assert [output["output_type"] for output in ran.result.outputs] == ["stream", "execute_result"]
    failed = await run(kernel, "1/0")
    (failure,) = failed.events
    assert isinstance(failure, Failure)
    assert (failed.status, failed.result.error) == ("error", failure)
    assert failed.result.execution_time > 0


async def test_large_outputs_are_told_and_read_one_by_one(
    kernel: PersonKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The result has all of them, in order; none is parsed together with others, as everybody would wait."""
    read: list[int] = []

    def noting(parse: Callable[..., object]) -> Callable[..., object]:
        def noted(text: str | bytes | Raw, **more: object) -> object:
            read.append(memoryview(text.encode() if isinstance(text, str) else text).nbytes)
            return parse(text, **more)

        return noted

    readers = (
        (json, "loads"),
        (msgspec.json, "decode"),
        (messages, "read_news"),
        (session_socket, "decode_plain"),
    )
    for module, name in readers:
        monkeypatch.setattr(module, name, noting(getattr(module, name)))
    shown = "display({'image/png': f'{n}' * 1_000_000, 'text/plain': 'x'}, raw=True)"
    ran = await run(kernel, f"print('first')\nfor n in range(1, 8): {shown}")
    first, *pictures = ran.result.outputs
    assert first["text"] == "first\n"
    assert [picture["data"]["image/png"] for picture in pictures] == [f"{n}" * 1_000_000 for n in range(1, 8)]
    assert [event.bundle for event in ran.events if isinstance(event, Display)] == [
        picture["data"] for picture in pictures
    ]
    assert max(read) < 2_000_000


async def test_a_session_has_one_kernel_however_often_it_is_asked_for(
    kernels: Kernels, kernel: PersonKernel, files: SomeFiles
) -> None:
    """Asking again starts nothing new."""
    await run(kernel, "import os; mine = os.getpid()")
    again = kernels.kernel("shared", files)
    assert await value(again, "os.getpid() == mine") == "True"


async def test_the_state_tells_whether_it_lives_and_what_it_holds(
    kernels: Kernels, kernel: PersonKernel, named: Callable[[], str], files: SomeFiles
) -> None:
    """A kernel that has not started is not alive; a running one has its variables described."""
    await run(kernel, "n = 42")
    state = await kernel.state()
    assert (state.alive, state.busy) == (True, False)
    assert ("n", "int", "42") in [(one.name, one.type, one.detail) for one in state.variables]
    assert not (await kernels.kernel(named(), files).state()).alive


async def test_a_result_tells_the_memory_that_the_kernel_has_taken(kernel: PersonKernel) -> None:
    """Memory that a cell fills is included, and memory that it frees is not."""
    small = (await run(kernel, "1")).result.memory
    large = (await run(kernel, "block = b'x' * (64 << 20)")).result.memory
    again = (await run(kernel, "del block")).result.memory
    assert small is not None
    assert large is not None
    assert again is not None
    assert large - small > 60 << 20
    assert large - again > 60 << 20


async def test_an_interrupt_ends_the_cell_and_keeps_the_variables(kernel: PersonKernel) -> None:
    """The next cell finds them."""
    await run(kernel, "kept = 5")
    async with kernel.run("print('begun', flush=True)\nimport time; time.sleep(600)") as cell:
        async for event in cell:
            if isinstance(event, Stream) and "begun" in event.text:  # the end of the line may come separately
                await cell.interrupt()
    assert cell.result.status == "interrupted"
    cell.settle()
    assert await value(kernel, "kept") == "5"


async def test_a_cell_that_a_person_stops_and_waits_for_keeps_its_kernel(kernel: PersonKernel) -> None:
    """It does not stop, so the person is asked; if they wait they get the cell's result and all variables."""
    await run(kernel, "kept = 5")
    joins = "from concurrent.futures import ThreadPoolExecutor as Pool\nimport pathlib, time\ndef work():\n"
    joins += "  while not pathlib.Path('joined').exists(): time.sleep(0.02)\n  print('worked')\n"
    joins += "with Pool() as pool:\n  pool.submit(work)\n  print('begun', flush=True)\n  time.sleep(600)"
    asked = list[Unstopped]()
    async with kernel.run(joins) as cell:
        with pytest.raises(NoQuestion):
            cell.decide(kill=True)  # nobody has asked
        async for event in cell:
            if isinstance(event, Stream) and "begun" in event.text:
                await cell.stop()
            elif isinstance(event, Unstopped):
                asked.append(event)
                cell.decide(kill=False)
                with pytest.raises(NoQuestion):
                    cell.decide(kill=True)
                await kernel.place("joined", b"")
    cell.settle()
    ((lost, limited, asks),) = [(one.lost, one.limited, one.asks) for one in asked]
    assert "kept" in lost
    assert (limited, asks) == (True, False)
    assert (cell.result.status, cell.result.restarted) == ("interrupted", None)  # in the end
    assert cell.result.output.startswith("begun\nworked\n")
    assert await value(kernel, "kept") == "5"


async def test_whoever_leaves_early_stops_the_cell(kernel: PersonKernel) -> None:
    """A `break` interrupts the cell; what was shown until then is the result."""
    async with kernel.run("print('begun', flush=True)\nimport time; time.sleep(600)") as cell:
        async for _ in cell:
            break
    assert cell.result.status == "interrupted"
    assert cell.result.output.startswith("begun\n")
    cell.settle()
    assert await value(kernel, "1") == "1"


async def test_cells_queue_and_are_told_their_position(kernel: PersonKernel) -> None:
    """The second waits for the first, and one that gives up waiting costs nobody anything."""
    async with kernel.run("input()") as first:
        taking = aiter(first)
        assert isinstance(await anext(taking), InputRequest)
        told = list[Event](), list[Event]()
        second = asyncio.create_task(run(kernel, "2", on_event=told[0].append))
        third = asyncio.create_task(run(kernel, "3", on_event=told[1].append))
        await until(lambda: all(told))
        second.cancel()
        first.answer("on")
        async for _ in taking:
            pass
    first.settle()
    ran = await third
    assert Queued(2) in ran.events or Queued(1) in ran.events
    assert ran.output == "3\n"


async def test_a_place_in_the_pool_is_waited_for(
    kernels: Kernels, named: Callable[[], str], files: SomeFiles, kernel: PersonKernel
) -> None:
    """If all places are taken a cell is told that it waits, and can be withdrawn."""
    await run(kernel, "1")
    async with kernel.run("input()") as busy, kernels.kernel(named(), files).run("input()") as other:
        assert isinstance(await anext(aiter(busy)), InputRequest)
        assert isinstance(await anext(aiter(other)), InputRequest)
        async with kernels.kernel(named(), files).run("3") as waiting:
            assert await anext(aiter(waiting)) == Queued(1)
            await waiting.interrupt()
        assert waiting.result.status == "interrupted"
    for cell in (busy, other, waiting):
        cell.settle()


async def test_an_extended_cell_outlives_its_limit_and_ends_at_the_new_one(
    kernels: Kernels, named: Callable[[], str], files: SomeFiles
) -> None:
    """The limit counts from the cell's start; a cell that goes on for longer is stopped by the new one."""
    before, kernels.limits = kernels.limits, Limits(cell=timedelta(seconds=3))
    kernel = kernels.kernel(named(), files)
    kernels.limits = before
    code = (
        "import time\nprint('begun', flush=True)\ntime.sleep(3.5)\nprint('on', flush=True)\ntime.sleep(600)"
    )
    async with kernel.run(code) as cell:
        async for event in cell:
            if isinstance(event, Stream) and "begun" in event.text:  # the end of the line may come separately
                cell.extend(timedelta(seconds=5))
    assert (cell.result.status, cell.result.cause) == ("timeout", "deadline")
    assert cell.result.output.startswith("begun\non\n")
    cell.settle()


async def test_more_time_given_to_a_waiting_cell_holds_when_it_runs(
    kernels: Kernels, named: Callable[[], str], files: SomeFiles
) -> None:
    """It runs for longer than its kernel's limit; the end of its wait is reported."""
    before, kernels.limits = kernels.limits, Limits(cell=timedelta(seconds=3))
    kernel = kernels.kernel(named(), files)
    kernels.limits = before

    async def extended() -> tuple[str, list[Event]]:
        events = []
        async with kernel.run("import time; time.sleep(3.5)") as cell:
            async for event in cell:
                events.append(event)
                if event == Queued(1):
                    cell.extend(timedelta(seconds=30))
                    first.answer("")
        cell.settle()
        return cell.result.status, events

    async with kernel.run("input()") as first:
        async for event in first:
            if isinstance(event, InputRequest):
                second = asyncio.create_task(extended())
    first.settle()
    assert await second == ("ok", [Queued(1), Queued(0)])


async def test_input_is_answered_and_a_second_answer_refused(kernel: PersonKernel) -> None:
    """The answer reaches the cell; without a question there is nothing to answer."""
    async with kernel.run("name = input('who? ')\nprint('hi', name)") as cell:
        async for event in cell:
            if isinstance(event, InputRequest):
                assert event == InputRequest("who? ", password=False)
                cell.answer("Bob")
                with pytest.raises(NoQuestion):
                    cell.answer("Eve")
    assert cell.result.output == "who? Bob\nhi Bob\n"
    cell.settle()


async def test_what_is_too_large_is_refused_before_it_is_sent_and_the_next_cell_works(
    kernel: PersonKernel,
) -> None:
    """A cell or an answer over its limit gets an error in words; the question then still waits."""
    with pytest.raises(TooLarge, match="over the 4 MB limit; put its data into a file"):
        kernel.run("x" * (LARGEST_CODE + 1))
    with pytest.raises(TooLarge):
        kernel.run("\U0001f600" * (LARGEST_CODE // 4 + 1))
    async with kernel.run("len(input())") as cell:
        async for event in cell:
            if isinstance(event, InputRequest):
                with pytest.raises(TooLarge, match="over the 1 MB limit"):
                    cell.answer("y" * (LARGEST_ANSWER + 1))
                cell.answer("y" * LARGEST_ANSWER)
    assert cell.result.output.endswith(f"{LARGEST_ANSWER}\n")
    cell.settle()


async def test_large_cells_run_whatever_is_in_them_and_how_many_wait(kernel: PersonKernel) -> None:
    """JSON needs six characters for one control character, so the first cell is 12 MB in transit."""
    codes = [f"# {'\x01' * (LARGEST_CODE // 2)}\n1", *(f"# {'\U0001f600' * (1 << 18)}\n{n}" for n in (2, 3))]
    cells = [asyncio.create_task(run(kernel, code)) for code in codes]
    assert [(await cell).output for cell in cells] == ["1\n", "2\n", "3\n"]


async def test_output_of_wide_characters_arrives(kernel: PersonKernel) -> None:
    """A batch is measured in bytes, and a character has up to four."""
    show = "display({'text/x': chr(0x1f600) * 1_900_000}, raw=True)"
    code = f"from IPython.display import display\nfor n in range(8): {show}"
    ran = await run(kernel, code)
    assert [len(output["data"]["text/x"]) for output in ran.result.outputs] == [1_900_000] * 8
    assert await value(kernel, "6 * 7") == "42"


async def test_without_input_a_question_fails_at_once(kernel: PersonKernel) -> None:
    """Where nobody can answer, `input()` says so."""
    ran = await run(kernel, "input()", allow_input=False)
    assert ran.result.error is not None
    assert ran.result.error.ename == "StdinNotImplementedError"


async def test_six_megabytes_of_output_keep_head_and_tail(kernel: PersonKernel) -> None:
    """The text passed on equals the result's: within the limit, with the cell's value at the end."""
    ran = await run(kernel, "for n in range(600): print(f'{n:9d}' + 'x' * 9990)\n6 * 7")
    assert ran.output.startswith("        0xxx")
    assert ran.output.endswith("xxx\n42\n")
    assert "      599xxx" in ran.output
    assert len(ran.output) < 1_100_000
    assert ran.streamed + "42\n" == ran.output


async def test_a_text_that_is_cut_is_a_file_until_the_cell_is_settled(kernel: PersonKernel) -> None:
    """It has the whole text and can be read like any captured file, but is not in the workspace."""
    async with kernel.run("print(*range(180_000), sep='\\n')") as cell:
        cell.tag = 12
        async for _ in cell:
            pass
    (file,) = cell.result.captured
    assert (file.name, file.is_output) == ("output-12.txt", True)
    async with file.content() as content:
        assert content.read() == "".join(f"{number}\n" for number in range(180_000)).encode()
    cell.settle()
    assert await value(kernel, "__import__('glob').glob('output*')") == "[]"


async def test_a_large_picture_arrives(kernel: PersonKernel) -> None:
    """Five pictures of 7 MB, in events and in the result."""
    ran = await run(
        kernel,
        "from IPython.display import publish_display_data\n"
        "for n in range(5): publish_display_data({'image/png': 'A' * 7_000_000})",
    )
    assert [len(event.bundle["image/png"]) for event in ran.events if isinstance(event, Display)] == [
        7_000_000
    ] * 5
    assert len(ran.result.outputs) == 5


async def test_captured_files_can_be_read_until_the_cell_is_settled(kernel: PersonKernel) -> None:
    """Their bytes, complete, for small and large files."""
    async with kernel.run(
        "open('a.txt', 'w').write('abc')\n_ = open('b.bin', 'wb').write(bytes(5_000_000))"
    ) as cell:
        async for _ in cell:
            pass
    files = {file.name: file for file in cell.result.captured}
    async with files["a.txt"].content() as content:
        assert content.read() == b"abc"
    async with files["b.bin"].content() as content:
        assert content.read() == bytes(5_000_000)
    cell.settle()
    assert (await run(kernel, "1")).result.captured == ()


async def test_a_memory_map_that_is_written_again_is_captured_again(kernel: PersonKernel) -> None:
    """Even if a child process writes it, and if it is closed in the same cell."""
    cells = (
        "import numpy as np\nm = np.memmap('table.bin', dtype='u1', mode='w+', shape=(4096,)); m[:] = 1",
        "m[:] = 2",
        "import os\nchild = os.fork()\nif child == 0:\n  m[:] = 3; os._exit(0)\n_ = os.waitpid(child, 0)",
        "m[:] = 4; del m",
    )
    for number, code in enumerate(cells, 1):
        async with kernel.run(code) as cell:
            async for _ in cell:
                pass
        (file,) = cell.result.captured
        async with file.content() as content:
            assert set(content.read()) == {number}
        cell.settle()
        assert (await run(kernel, "1")).result.captured == ()


async def test_a_captured_file_may_have_any_name(kernel: PersonKernel) -> None:
    """A name that is no text can still be shown, and the bytes can be read."""
    async with kernel.run("with open(b'in \\xff \\n.txt', 'wb') as file: file.write(b'abc')") as cell:
        async for _ in cell:
            pass
    (file,) = cell.result.captured
    assert file.name.isprintable()
    async with file.content() as content:
        assert content.read() == b"abc"
    cell.settle()


async def test_a_file_that_changes_before_it_is_read_is_refused(kernel: PersonKernel) -> None:
    """Either exactly the captured bytes are read, or nothing."""
    async with kernel.run("open('c.txt', 'w').write('one')") as cell:
        async for _ in cell:
            pass
    await run(kernel, "open('c.txt', 'w').write('three')")
    with pytest.raises(FileChanged):
        async with cell.result.captured[0].content():
            pass
    cell.settle()


async def test_a_placed_file_is_there_and_no_news(kernel: PersonKernel) -> None:
    """It has the name that was returned, and capture treats it as known."""
    name = await kernel.place("né w.csv", b"a,b\n")
    ran = await run(kernel, f"open({name!r}).read()")
    assert (ran.output, ran.result.captured) == ("'a,b\\n'\n", ())


async def test_a_file_that_was_placed_stays_open_and_can_be_placed_again(kernel: PersonKernel) -> None:
    """It belongs to the caller: a second kernel may need it after the first one has died."""
    with BytesIO(CONTENT) as file:
        for _ in range(2):
            file.seek(0)
            name = await kernel.place("again.csv", file)
            assert await value(kernel, f"len(open({name!r}).read())") == str(len(CONTENT))
            assert not file.closed


async def test_what_does_not_fit_into_the_workspace_is_not_placed(
    where: str, tmp_path: Path, files: SomeFiles
) -> None:
    """It counts with what is there; a smaller file fits, and so does one that is there already."""
    settings = node_settings(tmp_path, Limits(workspace=100_000))
    here = Pool(python=settings.python, workspaces=settings.workspaces, limits=settings.limits, libraries=())
    async with here if where == "here" else noded(settings) as kernels:
        kernel = kernels.kernel("full", files)
        await run(kernel, "open('mine', 'wb').write(b'x' * 50_000);")
        assert await kernel.place("a", b"y" * 30_000, beside="id") == "a"
        for name in "bc":
            with pytest.raises(OSError, match=r"\S") as refused:
                await kernel.place(name, BytesIO(b"z" * 30_000))
            assert refused.value.errno == WORKSPACE_FULL
        assert await kernel.place("a", b"y" * 30_000, beside="id") == "a"
        assert await kernel.place("d", b"small") == "d"
        assert await value(kernel, "import glob; sorted(glob.glob('*'))") == "['a', 'd', 'mine']"


async def test_stored_files_are_loaded_placed_and_listed(kernel: PersonKernel) -> None:
    """A cell's three functions reach the person's files, and a foreign id is refused."""
    assert await value(kernel, "load_file('k7m3q9x2va', raw=True)[:11]") == "b'city,people'"
    assert await value(kernel, "len(open(file_path('cities.csv')).read())") == str(len(CONTENT))
    assert "k7m3q9x2va" in (await run(kernel, "list_files()")).output
    refused = await run(kernel, "load_file('aaaaaaaaaa')")
    assert "no file aaaaaaaaaa" in refused.output


async def test_late_output_comes_with_its_cells_tag(kernel: PersonKernel) -> None:
    """It covers what a thread prints and what it writes."""
    code = (
        "import threading\ndef later():\n  print('late words\\n', end='')\n"
        "  open('late.txt', 'w').write('late')\n"
        "threading.Timer(3, later).start()"
    )
    await run(kernel, code, tag=7)

    def whole(told: list[Late]) -> bool:
        return any(late.scan for late in told) and any(late.event for late in told)

    told = await late_until(kernel, whole)
    assert [late.tag for late in told if late.event == Stream("stdout", "late words\n")] == [7]
    (scan,) = [late.scan for late in told if late.scan]
    async with scan.captured[0].content() as content:
        assert content.read() == b"late"


async def test_a_death_is_told_and_the_next_cell_works(kernel: PersonKernel) -> None:
    """The result says how it ended and what was lost."""
    await run(kernel, "precious = 1")
    ran = await run(kernel, "import os; print('last'); os.write(1, b'words'); os._exit(3)")
    assert (ran.status, ran.result.exit_code) == ("died", 3)
    assert ran.output == "last\nwords"
    assert "precious" in ran.restarts[0].lost
    assert ran.result.restarted == ran.restarts[0]
    assert await value(kernel, "1 + 1") == "2"


async def test_the_deadline_stops_a_cell(
    kernels: Kernels, named: Callable[[], str], files: SomeFiles
) -> None:
    """The status is a time-out, and the next cell works."""
    before, kernels.limits = kernels.limits, Limits(cell=timedelta(seconds=1))
    kernel = kernels.kernel(named(), files)
    kernels.limits = before
    ran = await run(kernel, "while True: pass")
    assert (ran.status, ran.result.cause) == ("timeout", "deadline")
    assert await value(kernel, "1") == "1"


async def test_a_restart_gives_a_fresh_kernel_and_keeps_the_files(kernel: PersonKernel) -> None:
    """Variables are gone, but this is not reported as an accident."""
    await run(kernel, "x = 1; open('kept.txt', 'w').write('kept')")
    await kernel.restart()
    assert (await kernel.state()).variables == ()
    ran = await run(kernel, "'x' in globals(), open('kept.txt').read()")
    assert (ran.output, ran.restarts) == ("(False, 'kept')\n", [])


async def test_known_files_are_no_news_and_those_of_a_broken_cell_are(
    kernels: Kernels, named: Callable[[], str], files: SomeFiles
) -> None:
    """What was there before is known; what was written since the given moment is reported once."""
    kernel = kernels.kernel(named(), files)
    async with kernel.catch_up(None) as scan:
        assert scan.captured == ()
    async with kernel.catch_up(0) as scan:
        assert scan.captured == ()
    assert await kernel.left_running() == {}


async def test_a_removed_session_is_gone(
    kernels: Kernels, named: Callable[[], str], files: SomeFiles
) -> None:
    """Its kernel and files are gone; the name can be used again; removing it twice is no error."""
    name = named()
    await run(kernels.kernel(name, files), "x = 1; open('a.txt', 'w').write('x')")
    await kernels.remove(name)
    await kernels.remove(name)
    ran: Ran = await run(kernels.kernel(name, files), "import os; 'x' in globals(), os.path.exists('a.txt')")
    assert ran.output == "(False, False)\n"


async def test_a_name_that_is_no_folder_is_refused(kernels: Kernels, files: SomeFiles) -> None:
    """No name leads to anything outside the workspaces."""
    for name in ("../escape", "..", "a/b", ""):
        with pytest.raises((ValueError, OSError)):
            await kernels.remove(name)


async def test_what_is_typed_is_completed_and_explained(kernel: PersonKernel) -> None:
    """Variables, attributes and signatures, as the kernel itself knows them; nothing for unknown names."""
    await run(kernel, "answer_of_mine = 'text'\ndef told(one, two=3): ...")
    found = await kernel.complete("print(answer_o", 14)
    assert (found.matches, found.start, found.end) == (("answer_of_mine",), 6, 14)
    assert ".upper" in (await kernel.complete("answer_of_mine.", 15)).matches
    assert "one, two=3" in await kernel.inspect("told", 4)
    assert (await kernel.complete("nosuchname_", 11)).matches == ()
    assert await kernel.inspect("nosuchname_", 11) == ""


async def test_a_running_cell_is_not_waited_for_to_complete(kernel: PersonKernel) -> None:
    """The person gets an answer at once; if there is no process the answer is empty."""
    await run(kernel, "name_of_mine = 1")
    found = []

    async def ask() -> None:
        found.append(await kernel.complete("name_of_m", 9))

    asking: list[asyncio.Task[None]] = []
    await run(
        kernel,
        "print(1, flush=True)\nimport time; time.sleep(1)",
        on_event=lambda _: asking or asking.append(asyncio.create_task(ask())),
    )
    await asking[0]
    assert found[0].matches == ()
    assert (await kernel.complete("name_of_m", 9)).matches == ("name_of_mine",)
    await kernel.restart()
    assert (await kernel.complete("name_of_m", 9)).matches == ()


async def test_tables_are_as_wide_as_the_terminal(kernel: PersonKernel) -> None:
    """In the running process and in the next; but not if the person has set a width."""
    show = "import pandas as pd; print(pd.get_option('display.width'))"
    await run(kernel, "1")
    await kernel.widen(132)
    assert (await run(kernel, show)).output == "132\n"
    await kernel.restart()
    assert (await run(kernel, show)).output == "132\n"
    await run(kernel, "pd.set_option('display.width', 100)")
    await kernel.widen(90)
    assert (await run(kernel, show)).output == "100\n"
    await kernel.restart()
    await kernel.widen(80)


async def test_without_saves_there_is_nowhere_to_go(kernels: Kernels, named: Callable[[], str]) -> None:
    """Kernels whose variables are not saved say so; a branch has the files only."""
    name, other = named(), named()
    kernel = kernels.kernel(name, SomeFiles())
    await kernel.place("a", b"1")
    assert (tuple(await kernel.saves()), await kernel.checkpoints()) == ((), {})
    with pytest.raises(NoSuchSave):
        await kernel.go_to(0)
    with pytest.raises(CheckpointRefused):
        await kernel.checkpoint("name")
    assert await kernels.branch(name, other) == 0
    assert await value(kernels.kernel(other, SomeFiles()), "open('a').read()") == "'1'"
