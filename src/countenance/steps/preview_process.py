"""A preview in a process of its own: its nets take a gigabyte, which goes when it is closed; any thread may ask it."""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import numpy as np
from jaxtyping import UInt8

from countenance.consent.permit import decide
from countenance.errors import CountenanceError
from countenance.progress import Silent
from countenance.project import opened
from countenance.steps.drawings import GenerateConfig, Pair
from countenance.steps.preview import open_preview

_log = logging.getLogger(__name__)

Rgb = UInt8[np.ndarray, "h w 3"]


@dataclass(frozen=True, kw_only=True, slots=True)
class AskedPair:
    """A likeness and a performer, for whom the process asks the permit itself."""

    likeness: str
    performer: str
    is_disguise: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class _Wanted:
    what: Literal["frame", "plate"]
    index: int
    shot_changes: tuple[str, ...] = ()


class PreviewProcess:
    """Single frames of a plate, as `steps.preview.Preview` shows them: a held resource, to be closed."""

    def __init__(self, folder: Path, plate: Path, pairs: Sequence[AskedPair], config: GenerateConfig) -> None:
        """Open the project in `folder` and the preview there; returns once a frame can be asked for.

        Raises:
            CountenanceError: what `open_preview` raises, and a ConsentError where there is no permit.
        """
        context = get_context("spawn")
        self._lock = threading.Lock()
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, folder, plate, tuple(pairs), config), daemon=True, name="countenance preview"
        )
        self._process.start()
        theirs.close()
        try:
            self._answer()
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self._process.pid is not None
        return self._process.pid

    def frame(self, index: int, shot_changes: Sequence[str] = ()) -> Rgb:
        """As `Preview.frame`; one after the other, from whichever thread.

        Raises:
            CountenanceError: what that raises, or the process ended.
        """
        return self._ask(_Wanted(what="frame", index=index, shot_changes=tuple(shot_changes)))

    def plate(self, index: int) -> Rgb:
        """As `Preview.plate`.

        Raises:
            CountenanceError: what that raises, or the process ended.
        """
        return self._ask(_Wanted(what="plate", index=index))

    def close(self) -> None:
        """End the process; what it held goes with it."""
        self._pipe.close()
        # Kept faces get their names in one step, and nets take seconds to end by themselves.
        self._process.kill()
        self._process.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, wanted: _Wanted) -> Rgb:
        with self._lock:
            try:
                self._pipe.send(wanted)
            except OSError:
                raise _ended() from None
            shown = self._answer()
        assert shown is not None
        return shown

    def _answer(self) -> Rgb | None:
        try:
            answer = self._pipe.recv()
        except (EOFError, OSError):
            raise _ended() from None
        if isinstance(answer, CountenanceError):
            raise answer
        return None if answer is None else np.asarray(answer)


def _ended() -> CountenanceError:
    return CountenanceError("the preview's process ended; open the preview again")


def _serve(pipe: Connection, folder: Path, plate: Path, asked: Sequence[AskedPair], config: GenerateConfig) -> None:
    """Answer until the other end is closed."""
    try:
        with opened(folder) as project:
            pairs = [
                Pair(
                    likeness=each.likeness,
                    performer=each.performer,
                    permit=decide(project, "generate", likeness=each.likeness, performer=each.performer, is_last=False),
                    is_disguise=each.is_disguise,
                )
                for each in asked
            ]
            with open_preview(project, plate, pairs, config, progress=Silent()) as preview:
                pipe.send(None)
                while True:
                    wanted: _Wanted = pipe.recv()
                    try:
                        if wanted.what == "frame":
                            pipe.send(preview.frame(wanted.index, wanted.shot_changes))
                        else:
                            pipe.send(preview.plate(wanted.index))
                    except CountenanceError as error:
                        pipe.send(error)
    except CountenanceError as error:
        pipe.send(error)
    except (EOFError, BrokenPipeError):
        pass
    except Exception:
        _log.exception("the preview's process ended by an error")
