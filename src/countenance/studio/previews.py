"""Warm previews: a plate that is looked at stays open, in a process of its own, until nobody asks for it any more."""

import subprocess
from collections.abc import Sequence
from multiprocessing import Pipe
from pathlib import Path
from threading import Condition, Lock, Thread, Timer

import numpy as np
from jaxtyping import UInt8

from countenance.errors import ConsentError, MediaError, ModelError
from countenance.jobs.worker import PYTHON
from countenance.project import SETTINGS_NAME
from countenance.studio.previewing import Ask, Wish

MOST_WARM = 2
"""So many plates and pairs are open at once, for as many pages."""
IDLE_S = 180.0
"""A preview that nobody asked for so long is closed."""

Rgb = UInt8[np.ndarray, "H W 3"]


class Previews:
    """The previews of a studio that are open: two, as each takes some hundred megabytes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._changed = Condition()
        self._warm: dict[Wish, _Warm] = {}
        """Asked last, last."""

    def ask(self, plate: Path, pairs: Sequence[tuple[str, str]], ask: Ask) -> Rgb:
        """A frame of a plate and its pairs, whose preview is opened if need be.

        Raises:
            ConsentError: a release doesn't allow it; then it is closed.
            CountenanceError: what opening or drawing raises.
        """
        settings_ns = (self._folder / SETTINGS_NAME).stat().st_mtime_ns
        warm = self._taken(Wish(folder=self._folder, plate=plate, pairs=tuple(pairs), settings_ns=settings_ns))
        try:
            return warm.ask(ask)
        except (ConsentError, MediaError, ModelError):
            # Nothing is shown any more, another file lies there, or its process has ended.
            with self._changed:
                self._close(warm)
            raise
        finally:
            self._give_back(warm)

    @property
    def process_number(self) -> int | None:
        """Of the process that was asked last."""
        return next((warm.process_number for warm in reversed(self._warm.values())), None)

    def close(self) -> None:
        """Close what is open."""
        with self._changed:
            for warm in [*self._warm.values()]:
                self._close(warm)

    def _taken(self, wish: Wish) -> "_Warm":
        """The preview of a plate, which isn't closed until it is given back; waits while all are at work."""
        with self._changed:
            while wish not in self._warm and len(self._warm) >= MOST_WARM:
                idle = next((warm for warm in self._warm.values() if not warm.num_asking), None)
                if idle is None:
                    self._changed.wait()
                else:
                    self._close(idle)
            warm = self._warm.pop(wish, None) or _Warm(wish)
            self._warm[wish] = warm
            warm.num_asking += 1
        return warm

    def _give_back(self, warm: "_Warm") -> None:
        with self._changed:
            warm.num_asking -= 1
            self._changed.notify_all()
            if warm.idle is not None:
                warm.idle.cancel()
            warm.idle = Timer(IDLE_S, self._close_if_idle, [warm])
            warm.idle.daemon = True
            warm.idle.start()

    def _close_if_idle(self, warm: "_Warm") -> None:
        with self._changed:
            if not warm.num_asking:
                self._close(warm)

    def _close(self, warm: "_Warm") -> None:
        if self._warm.get(warm.wish) is warm:
            del self._warm[warm.wish]
            warm.close()
            self._changed.notify_all()


class _Warm:
    """A process in which a preview is open, or opens with the first question."""

    def __init__(self, wish: Wish) -> None:
        self.wish = wish
        self.num_asking = 0
        self.idle: Timer | None = None
        self._lock = Lock()
        self._pipe, its_end = Pipe()
        with its_end:
            self._process = subprocess.Popen(  # noqa: S603 - this Python and a module of ours
                [*PYTHON, "countenance.studio.previewing", str(its_end.fileno())],
                pass_fds=[its_end.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                # Ctrl-C is for the server, whose end closes the pipe.
                start_new_session=True,
            )
        self._pipe.send(wish)

    @property
    def process_number(self) -> int:
        return self._process.pid

    def ask(self, ask: Ask) -> Rgb:
        try:
            with self._lock:
                self._pipe.send(ask)
                answer = self._pipe.recv()
        except (EOFError, OSError):
            raise ModelError(
                "the preview was closed, or the computer ran out of memory for it; look at the frame again"
            ) from None
        if isinstance(answer, Exception):
            raise answer
        pixels: Rgb = answer
        return pixels

    def close(self) -> None:
        """End it at once: whatever it writes survives that, and what is asked just now isn't wanted any more."""
        self._process.terminate()
        # Whoever waits for its answer reads the pipe's end; it is told of its end, or it stays in the system's list.
        Thread(target=self._process.wait, daemon=True).start()
