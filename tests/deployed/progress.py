"""How far a long run is: one line a step, with its time; on a terminal the running step counts its seconds."""
import contextlib
import sys
import threading
import time


class Step:
    def __init__(self, what):
        self.what = what
        self.note = ""
        self.began = time.monotonic()
        self.is_over = threading.Event()

    def line(self):
        return f"{self.what:44} {time.monotonic() - self.began:6.1f} s  {self.note}"

    def tick(self):
        while not self.is_over.wait(0.5):
            print(f"\r{self.line()[:110]:110}", end="", file=sys.stderr, flush=True)


@contextlib.contextmanager
def step(what):
    """Tells of a step while it goes on and when it is done; its `note` says more, and may change."""
    running = Step(what)
    ticker = threading.Thread(target=running.tick, daemon=True)
    if sys.stderr.isatty():
        ticker.start()
    try:
        yield running
    finally:
        running.is_over.set()
        if ticker.ident is not None:
            ticker.join()
            print(f"\r{'':110}\r", end="", file=sys.stderr)
        print(running.line().rstrip(), file=sys.stderr, flush=True)
