"""The process in which a preview is open: asked for frames over a pipe, one after another, until the pipe is closed.

A process of its own, because its nets hold some hundred megabytes that only its end gives back, and because drawing
would keep the server's pages waiting. Run as `python -m countenance.studio.previewing FILE_NUMBER`.
"""

import sys
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

from countenance.casting import is_cast
from countenance.config import read_config
from countenance.consent.permit import decide
from countenance.errors import CountenanceError
from countenance.progress import Silent
from countenance.project import opened
from countenance.steps.drawings import GenerateConfig, Pair
from countenance.steps.preview import Preview, open_preview


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """Which plate, with which pairs, is looked at."""

    folder: Path
    """Of the project."""
    plate: Path
    pairs: tuple[tuple[str, str], ...]
    settings_ns: int
    """When the project's settings were changed last: a preview is opened with those of its time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ask:
    """A frame that is asked for."""

    side: Literal["before", "after"]
    index: int
    changes: tuple[str, ...] = ()
    """Settings that are tried, such as `shot.sharpness=0.2`."""


def serve(pipe: "Connection[Any, Any]") -> None:
    """Answer each `Ask` after the `Wish` with the frame's pixels, or with the error that kept it from being shown."""
    with ExitStack() as held:
        preview = None
        try:
            wish: Wish = pipe.recv()
            while True:
                ask: Ask = pipe.recv()
                try:
                    preview = preview or _opened(wish, held)
                    pipe.send(_answer(preview, ask))
                except CountenanceError as error:
                    pipe.send(error)
                except Exception as error:
                    pipe.send(RuntimeError(repr(error)))
        except EOFError:
            # Whoever asked has gone.
            return


def _answer(preview: Preview, ask: Ask) -> Any:
    return preview.plate(ask.index) if ask.side == "before" else preview.frame(ask.index, ask.changes)


def _opened(wish: Wish, held: ExitStack) -> Preview:
    with ExitStack() as opening:
        # Not alone: a preview changes nothing but the log, and a job may be at work.
        project = opening.enter_context(opened(wish.folder))
        pairs = [
            Pair(
                likeness=likeness,
                performer=performer,
                permit=decide(project, "generate", likeness=likeness, performer=performer, is_last=False),
                is_disguise=is_cast(project, likeness),
            )
            for likeness, performer in wish.pairs
        ]
        config = read_config(GenerateConfig, "generate", project.settings)
        preview = opening.enter_context(open_preview(project, wish.plate, pairs, config, progress=Silent()))
        held.push(opening.pop_all())
    return preview


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
