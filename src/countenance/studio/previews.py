"""Warm previews: a plate that is looked at stays open, in a thread of its own, until nobody asks for it any more."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, Timer
from typing import TypeVar

from countenance.casting import is_cast
from countenance.config import read_config
from countenance.consent.permit import decide
from countenance.errors import ConsentError, MediaError
from countenance.progress import Silent
from countenance.project import SETTINGS_NAME, opened
from countenance.steps.drawings import GenerateConfig, Pair
from countenance.steps.preview import Preview, open_preview

IDLE_S = 180.0
"""A preview that nobody asked for so long is closed."""

Answer = TypeVar("Answer")


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """Which plate, with which pairs, is looked at."""

    plate: Path
    pairs: tuple[tuple[str, str], ...]
    settings_ns: int
    """When the project's settings were changed last: a preview was opened with those of its time."""


class Previews:
    """The preview of a studio that is open: one, as each holds some hundred megabytes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = Lock()
        self._wish: Wish | None = None
        self._open: _Warm | None = None
        self._idle: Timer | None = None

    def ask(self, plate: Path, pairs: Sequence[tuple[str, str]], do: Callable[[Preview], Answer]) -> Answer:
        """What `do` makes of the preview of a plate and its pairs, which is opened if need be.

        Raises:
            ConsentError: a release doesn't allow it; then it is closed.
            CountenanceError: what opening or `do` raises.
        """
        wish = Wish(plate=plate, pairs=tuple(pairs), settings_ns=(self._folder / SETTINGS_NAME).stat().st_mtime_ns)
        with self._lock:
            if self._open is None or self._wish != wish:
                self._close()
                self._open, self._wish = _Warm(self._folder, wish), wish
            warm = self._open
            self._wait_again()
            # Here, so that nobody closes it between.
            answer = warm.asked(do)
        try:
            return answer.result()
        except (ConsentError, MediaError):
            # Nothing is shown any more, or another file lies there.
            self._close_if(warm)
            raise
        except BaseException:
            if not warm.is_open:
                self._close_if(warm)
            raise

    def close(self) -> None:
        """Close what is open."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        if self._open is not None:
            self._open.close()
        self._open = self._wish = self._idle = None

    def _close_if(self, warm: "_Warm") -> None:
        with self._lock:
            if self._open is warm:
                self._close()

    def _wait_again(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = Timer(IDLE_S, self.close)
        self._idle.daemon = True
        self._idle.start()


class _Warm:
    """A preview with its project, both of the one thread that opened them."""

    def __init__(self, folder: Path, wish: Wish) -> None:
        self._folder, self._wish = folder, wish
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="preview")
        self._held = ExitStack()
        self._preview: Preview | None = None

    @property
    def is_open(self) -> bool:
        return self._preview is not None

    def asked(self, do: Callable[[Preview], Answer]) -> Future[Answer]:
        return self._thread.submit(self._do, do)

    def close(self) -> None:
        """Close it once what was asked before is done; doesn't wait for that."""
        self._thread.submit(self._release)
        self._thread.shutdown(wait=False)

    def _release(self) -> None:
        self._preview = None
        self._held.close()

    def _do(self, do: Callable[[Preview], Answer]) -> Answer:
        if self._preview is None:
            with ExitStack() as held:
                preview = self._opened(held)
                self._held = held.pop_all()
            self._preview = preview
        return do(self._preview)

    def _opened(self, held: ExitStack) -> Preview:
        # Not alone: a preview changes nothing but the log, and a job may be at work.
        project = held.enter_context(opened(self._folder))
        pairs = [
            Pair(
                likeness=likeness,
                performer=performer,
                permit=decide(project, "generate", likeness=likeness, performer=performer, is_last=False),
                is_disguise=is_cast(project, likeness),
            )
            for likeness, performer in self._wish.pairs
        ]
        config = read_config(GenerateConfig, "generate", project.settings)
        return held.enter_context(open_preview(project, self._wish.plate, pairs, config, progress=Silent()))
