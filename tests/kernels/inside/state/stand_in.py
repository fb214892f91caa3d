"""A node and a kernel as far as a state needs them, for programs of the kernels' own Python and for tests.

with Node() as node:                    # it is the one that `request_socket.connection` finds
    kernel = Kernel(shell)
    kernel.save(7)["status"], node.saves[-1].meta
    kernel.load()["back"]
"""

import itertools
import json
import socket
import threading
from contextlib import suppress
from types import SimpleNamespace

from xxhash import xxh3_128

SECONDS = 30.0


class Saved:
    """One save: the digests and sizes of each buffer, and what is told about it."""

    def __init__(self, buffers, meta, sent):
        self.buffers, self.meta, self.sent = buffers, meta, sent


class Node:
    """Keeps states in memory. `answers` can replace the answer to a line, by the key that is in it."""

    def __init__(self, request_socket, room=1 << 30):
        self.room = room
        self.saves = []
        self.chunks = {}
        self.answers = {}
        self.requests = []
        self.serving = threading.Lock()  # held until the connection is closed
        self._request_socket = request_socket

    def __enter__(self):
        self._ours, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._request_socket.keep(self._theirs)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._theirs.close()
        self._thread.join()
        self._ours.close()

    def _listen(self):
        while self._ours.recv(1):
            ours, theirs = socket.socketpair()
            with self.serving, ours:
                socket.send_fds(self._ours, [b"."], [theirs.fileno()])
                theirs.close()
                with suppress(OSError, ValueError), ours.makefile("rwb") as line:
                    self._serve(line)

    def _serve(self, line):
        request = json.loads(line.readline())
        self.requests.append(request)
        if "op" in self.answers:
            self._say(line, "op", {})
            return
        if request["op"] == "load":
            self._load(line)
            return
        self._say(line, "op", {"ok": True, "room": self.room})
        told = json.loads(line.readline())
        unique = {digest: size for buffer in told["buffers"] for digest, size in buffer}
        missing = [number for number, digest in enumerate(unique) if digest not in self.chunks]
        self._say(line, "buffers", {"ok": True, "missing": missing})
        sent = 0
        for number in missing:
            digest, size = list(unique.items())[number]
            data = line.read(size)
            sent += len(data)
            if xxh3_128(data).hexdigest() != digest:
                self._say(line, "", {"ok": False, "message": "bytes are not what they were said to be"})
                return
            self.chunks[digest] = data
        self.saves.append(Saved(told["buffers"], told["meta"], sent))
        self._say(line, "bytes", {"ok": True})

    def _load(self, line):
        if not self.saves:
            self._say(line, "op", {"ok": False, "none": True})
            return
        saved = self.saves[-1]
        sizes = [sum(size for _, size in buffer) for buffer in saved.buffers]
        self._say(line, "op", {"ok": True, "cell": len(self.saves), "meta": saved.meta, "buffers": sizes})
        for buffer in saved.buffers:
            line.write(b"".join(self.chunks[digest] for digest, _ in buffer))
        line.flush()

    def _say(self, line, key, answer):
        line.write(json.dumps(self.answers.get(key, answer)).encode() + b"\n")
        line.flush()


class Kernel:
    """A kernel with this shell, as `StateRequests` sees it, and the node's requests to it."""

    def __init__(self, shell, requests):
        self.shell = shell
        self.control_thread = None
        self._allow_stdin = True
        shell.kernel = SimpleNamespace(own_streams=())
        self.ids = map(str, itertools.count(1))
        self.state = requests.StateRequests(self)
        self.state.begin()

    def raw_input(self, _prompt=""):
        """As a kernel's."""
        if not self._allow_stdin:
            raise RuntimeError("it may not ask")
        return "an answer"

    def save(self, cell, *, seconds=SECONDS, name=""):
        content = {"ticket": f"save {cell}", "cell": cell, "hurry": False, "seconds": seconds, "cells": 1}
        return self.state.save({"header": {"msg_id": name or next(self.ids)}, "content": content})

    def load(self):
        return self.state.load({"header": {"msg_id": next(self.ids)}, "content": {"ticket": "load"}})
