"""What the code of values shows while they are saved is discarded, and nothing else is."""

import json
import os
import warnings

import pytest

from kernels.inside.output.muting import muted
from tests.kernels.inside.kernel_python import run

STREAMS = """
import json, os, sys, threading
from inside.output import streams
from inside.output.muting import is_muted, muted
import zmq
from jupyter_client.session import Session

context = zmq.Context()
output, client = context.socket(zmq.XPUB), context.socket(zmq.XSUB)
output.bind(f"ipc://{sys.argv[1]}/output")
client.connect(f"ipc://{sys.argv[1]}/output")
sender = streams.Sender(output, session=Session(key=b"key"))
client.send(bytes([1]))
output.poll(10_000)
sender.start()

def show(text):
    sender.send_multipart([b"", b"", text])
def within(work):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

stream = streams.Output.__new__(streams.Output)
before, after = threading.Event(), threading.Event()
streams.follow_threads()
other = threading.Thread(target=lambda: before.wait() and show(b"of another thread"))
other.start()
with muted(descriptors=False):
    print(stream.write("not written"))
    show(b"not shown")
    within(lambda: show(b"not shown by a thread that starts here"))
    later = threading.Thread(target=lambda: after.wait() and show(b"of such a thread later"))
    later.start()
    sender.schedule(lambda: show(b"of the sending thread"))
    before.set()
    other.join()
after.set()
later.join()
show(b"shown")
told = []  # what the sending thread shows may come after what this one has shown later
while len(told) < 4 and client.poll(10_000):
    told += [part.decode() for part in client.recv_multipart()[2:3] if b"welcome" not in part]
print(json.dumps(told), flush=True)
os._exit(0)
"""


def test_only_what_this_thread_shows_is_discarded(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Other threads go on, and so does the one that sends what they have written."""
    written, shown = run(STREAMS, str(tmp_path_factory.mktemp("s"))).splitlines()
    assert written == "11"
    assert sorted(json.loads(shown)) == [
        "of another thread",
        "of such a thread later",
        "of the sending thread",
        "shown",
    ]


def test_descriptors_lead_nowhere_meanwhile(capfd: pytest.CaptureFixture[str]) -> None:
    """And where they led before afterwards; without them, what is written there is shown."""
    opened = sorted(os.listdir("/proc/self/fd"))
    with muted(descriptors=True):
        os.write(1, b"discarded")
        os.write(2, b"discarded")
    with muted(descriptors=False):
        os.write(1, b"shown")
    os.write(2, b"shown")
    assert capfd.readouterr() == ("shown", "shown")
    assert sorted(os.listdir("/proc/self/fd")) == opened


def test_warnings_are_ignored_and_not_forgotten() -> None:
    """One that was shown already is not shown again because of it, and one that was ignored is not noted."""
    shown: list[str] = []
    registry: dict[str | tuple[str, type[Warning], int], int] = {}

    def warn(text: str) -> None:
        warnings.warn_explicit(text, UserWarning, "file", 1, registry=registry)

    with warnings.catch_warnings():
        warnings.resetwarnings()
        warnings.simplefilter("default")
        warnings.showwarning = lambda message, *_, **__: shown.append(str(message))
        before = list(warnings.filters)
        warn("known")
        with muted(descriptors=False):
            warn("ignored")
            warn("known")
        assert warnings.filters == before
        warn("ignored")
        warn("known")
    assert shown == ["known", "ignored"]


def test_filters_that_are_set_meanwhile_stay() -> None:
    """A library that is imported for a value may set some, even the one that ignores everything."""
    with warnings.catch_warnings():
        before = list(warnings.filters)
        with muted(descriptors=False):
            warnings.simplefilter("ignore")
            warnings.filters = list(warnings.filters)
        assert warnings.filters[0][0] == "ignore"
        assert len(warnings.filters) == len(before) + 1
