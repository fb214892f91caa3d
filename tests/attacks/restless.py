"""Processes that do not stay stopped: some are continued by timers and continue all others, which fork.

They are one process group, and end by themselves after a while, whatever a test finds.
"""

RESTLESS = """
import ctypes, os, signal, time

def wake(end):
    signal.signal(signal.SIGCONT, lambda *_: None)
    libc, event = ctypes.CDLL(None), (ctypes.c_int * 16)(0, 0, signal.SIGCONT)
    timers = [ctypes.c_void_p() for _ in range(30)]
    for timer in timers:
        assert libc.timer_create(1, event, ctypes.byref(timer)) == 0
    while time.monotonic() < end:
        for number, timer in enumerate(timers, 1):  # once each: repeating, they need be heard
            libc.timer_settime(timer, 0, (ctypes.c_long * 4)(0, 0, 0, number * 100_000), None)
        os.killpg(0, signal.SIGCONT)
        signal.pause()

def breed(end):
    while time.monotonic() < end:
        try:
            pid = os.fork()
        except OSError:
            continue
        if pid == 0:
            time.sleep(max(0.0, end - time.monotonic()))
            os._exit(0)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

def restless(seconds):
    end = time.monotonic() + seconds
    for act in (wake, wake, *[breed] * 8):
        if os.fork() == 0:
            try:
                act(end)
            finally:
                os._exit(0)
"""
