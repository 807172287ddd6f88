"""Warm previews: a plate that is looked at stays open, in a process of its own, until nobody asks for it any more."""

import subprocess
from collections.abc import Sequence
from multiprocessing import Pipe
from pathlib import Path
from threading import Lock, Thread, Timer

import numpy as np
from jaxtyping import UInt8

from countenance.errors import ConsentError, MediaError, ModelError
from countenance.jobs.worker import PYTHON
from countenance.project import SETTINGS_NAME
from countenance.studio.previewing import Ask, Wish

IDLE_S = 180.0
"""A preview that nobody asked for so long is closed."""

Rgb = UInt8[np.ndarray, "H W 3"]


class Previews:
    """The preview of a studio that is open: one, as each takes some hundred megabytes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = Lock()
        self._warm: _Warm | None = None
        self._idle: Timer | None = None

    def ask(self, plate: Path, pairs: Sequence[tuple[str, str]], ask: Ask) -> Rgb:
        """A frame of a plate and its pairs, whose preview is opened if need be.

        Raises:
            ConsentError: a release doesn't allow it; then it is closed.
            CountenanceError: what opening or drawing raises.
        """
        settings_ns = (self._folder / SETTINGS_NAME).stat().st_mtime_ns
        wish = Wish(folder=self._folder, plate=plate, pairs=tuple(pairs), settings_ns=settings_ns)
        with self._lock:
            if self._warm is None or self._warm.wish != wish:
                self._close()
                self._warm = _Warm(wish)
            warm = self._warm
            self._wait_again()
        try:
            return warm.ask(ask)
        except (ConsentError, MediaError, ModelError):
            # Nothing is shown any more, another file lies there, or its process has ended.
            with self._lock:
                if self._warm is warm:
                    self._close()
            raise

    @property
    def process_number(self) -> int | None:
        """Of the process in which a preview is open."""
        return None if self._warm is None else self._warm.process_number

    def close(self) -> None:
        """Close what is open."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        if self._warm is not None:
            self._warm.close()
        self._warm = self._idle = None

    def _wait_again(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = Timer(IDLE_S, self.close)
        self._idle.daemon = True
        self._idle.start()


class _Warm:
    """A process in which a preview is open, or opens with the first question."""

    def __init__(self, wish: Wish) -> None:
        self.wish = wish
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
