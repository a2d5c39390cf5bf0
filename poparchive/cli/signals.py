"""SIGINT and SIGTERM end long work from a thread of its own, whatever the main thread waits for.

A handler in Python runs on the main thread, and only once that comes back from what it waits for. A signal
that arrives in the moment before the wait, or that the system gives to another thread, does not end the
wait: an event loop slept on until its next timer. The interpreter's wake-up file is written at once, by
whichever thread gets the signal (``signal.set_wakeup_fd``).
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ENDING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def ending(call: Callable[[], object]) -> Iterator[None]:
    """Within, the first of ``ENDING`` makes ``call``, on another thread. To be entered on the main thread.

    The second one ends the process at once, which the archive survives as it does any crash. When the
    context is left, ``call`` is not running any more and the handlers of before are back.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)

    def listen() -> None:
        asked = False
        # The end of the file comes when the context is left.
        while octets := os.read(reading, 64):
            for number in octets:
                if number not in ENDING:
                    continue
                if asked:
                    os._exit(128 + number)
                asked = True
                call()

    listener = threading.Thread(target=listen, name="signals", daemon=True)
    listener.start()
    before_file = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    # The system's own effect, which is to end the process, must not take place.
    before = {number: signal.signal(number, _nothing) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(before_file)
        os.close(writing)
        listener.join()
        os.close(reading)


def _nothing(*_: object) -> None:
    """The listener does what there is to do."""
