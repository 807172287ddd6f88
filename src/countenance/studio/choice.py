"""The plate, and whose face goes onto whose: what Shots and Publish work on, in the address of their pages."""

import re
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlencode
from weakref import WeakValueDictionary

from starlette.datastructures import FormData, QueryParams

from countenance import jobs
from countenance.consent.release import PERSON_PATTERN
from countenance.errors import CountenanceError, UsageError
from countenance.footage import clip_paths
from countenance.media.folders import SUFFIXES
from countenance.media.probe import probe
from countenance.project import Project
from countenance.studio.releases import Released, released
from countenance.studio.session import Studio
from countenance.types import MediaInfo

MAX_PAIRS = 8
MOST_KNOWN = 16
MOMENT_S = 0.1

_Stamp = tuple[str, int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """A plate, and its pairs of likeness and performer."""

    plate: Path
    pairs: tuple[tuple[str, str], ...]

    @property
    def query(self) -> str:
        """For addresses."""
        pairs = [("pair", f"{likeness}:{performer}") for likeness, performer in self.pairs]
        return urlencode([("plate", str(self.plate)), *pairs])

    @property
    def options(self) -> list[str]:
        """For the command line, in the order in which it wants them."""
        return [
            word for likeness, performer in self.pairs for word in ("--likeness", likeness, "--performer", performer)
        ]

    @property
    def words(self) -> str:
        """For a file's name."""
        return "-and-".join(f"{likeness}-onto-{performer}" for likeness, performer in self.pairs)


@dataclass(frozen=True, kw_only=True, slots=True)
class Offered:
    """What may be chosen now."""

    plates: tuple[Path, ...]
    likenesses: tuple[str, ...]
    performers: tuple[str, ...]


class KnownPlates:
    """What plates are. Looking into a long film takes a while, so it is done once for each state of its file."""

    def __init__(self) -> None:
        self._lock, self._known = Lock(), dict[_Stamp, MediaInfo]()
        self._reading = WeakValueDictionary[_Stamp, Lock]()
        """One for each file that is being read, so that none waits for another."""
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="plate")
        self._asked: tuple[_Stamp, Future[MediaInfo]] | None = None

    def info(self, path: Path) -> MediaInfo:
        """What a plate is.

        Raises:
            MediaError: it can't be read.
        """
        stamp = _stamp(path)
        with self._lock:
            reading = self._reading.setdefault(stamp, Lock())
        with reading:
            info = self._known.get(stamp) or probe(path)
            with self._lock:
                self._known.pop(stamp, None)
                self._known[stamp] = info
                while len(self._known) > MOST_KNOWN:
                    self._known.pop(next(iter(self._known)))
        return info

    def soon(self, path: Path) -> MediaInfo | None:
        """What a plate is, or None where that isn't known in a moment; then it is being read, and is known later.

        Raises:
            MediaError: it can't be read.
        """
        stamp = _stamp(path)
        known = self._known.get(stamp)
        if known is not None:
            return known
        if self._asked is None or self._asked[0] != stamp:
            self._asked = stamp, self._reader.submit(self.info, path)
        try:
            return self._asked[1].result(MOMENT_S)
        except TimeoutError:
            return None


def chosen(fields: QueryParams | FormData, studio: Studio) -> Choice:
    """What a page or a form asks for.

    Raises:
        UsageError: there is no plate, it lies outside of what the user chose, or the pairs aren't pairs.
    """
    plate = fields.get("plate")
    if not isinstance(plate, str) or not plate:
        raise UsageError("no plate is chosen; choose one")
    pairs = tuple(_pair(text) for text in fields.getlist("pair") if isinstance(text, str) and text)
    if not pairs:
        raise UsageError("nobody is chosen; choose whose face goes onto whose")
    if len(pairs) > MAX_PAIRS:
        raise UsageError(f"expected at most {MAX_PAIRS} pairs in one pass, got {len(pairs)}; leave some out")
    path = studio.allowed(plate)
    if not path.is_file():
        raise UsageError(f"expected a video or picture, but {path} is none; choose another plate")
    return Choice(plate=path, pairs=pairs)


def choice_in(asked: QueryParams | FormData, studio: Studio) -> Choice | None:
    """The same, or None where nothing is chosen yet, or something else is about to be.

    Raises:
        UsageError: as `chosen`.
    """
    is_whole = asked.get("plate") and any(asked.getlist("pair")) and not asked.get("choose")
    return chosen(asked, studio) if is_whole else None


def choosing(found: Offered, asked: QueryParams | FormData, studio: Studio) -> dict[str, Any]:
    """What a page needs to let the user choose, with what is asked for so far."""
    plates, named = list(found.plates), asked.get("plate")
    plate = studio.allowed(str(named)) if named else None
    if plate is not None and plate not in plates:
        plates.insert(0, plate)
    return {
        "plates": plates,
        "likenesses": found.likenesses,
        "performers": found.performers,
        "chosen": {"plate": plate, "pairs": [tuple(str(pair).split(":", 1)) for pair in asked.getlist("pair") if pair]},
    }


def offered(project: Project, studio: Studio) -> Offered:
    """The plates that were used here, the latest first, performers' clips, and the people who may be worked with."""
    people = released(project)
    return Offered(
        plates=tuple(_plates(studio, project, people)),
        likenesses=tuple(each.person for each in people if "likeness" in each.roles),
        performers=tuple(each.person for each in people if "performer" in each.roles),
    )


def _plates(studio: Studio, project: Project, people: Sequence[Released]) -> list[Path]:
    used = [
        Path(job.arguments[1])
        for job in reversed(jobs.list_jobs(studio.project))
        if job.arguments[0] in {"generate", "shots"} and len(job.arguments) > 1
    ]
    clips = [path for each in people if "performer" in each.roles for path in clip_paths(project, each.person)]
    found = dict.fromkeys(path for each in (*used, *clips) if (path := _usable(studio, each)) is not None)
    return list(found)


def _usable(studio: Studio, path: Path) -> Path | None:
    try:
        resolved = studio.allowed(path)
    except CountenanceError:
        return None
    return resolved if resolved.is_file() and SUFFIXES.fullmatch(resolved.suffix.lower()) else None


def _pair(text: str) -> tuple[str, str]:
    likeness, _, performer = text.partition(":")
    if not all(re.fullmatch(PERSON_PATTERN, name, re.ASCII) for name in (likeness, performer)):
        raise UsageError(f"expected LIKENESS:PERFORMER, got {text[:80]!r}; choose again")
    return likeness, performer


def _stamp(path: Path) -> _Stamp:
    facts = path.stat()
    return str(path), facts.st_size, facts.st_mtime_ns
