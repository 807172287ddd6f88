"""Browse a person's faces as a page does: by the thousand, asked again and again, for as long as consent holds."""

import hashlib
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from countenance.database import DATABASE_NAME, version_of
from countenance.errors import FaceError, UsageError
from countenance.faces.answers import Answer, Word, answers, says
from countenance.faces.selection import most_varied
from countenance.faces.store import (
    ListedFace,
    Qualities,
    StoredFace,
    faces_in_frame,
    faces_with_ids,
    listed_faces,
    read_stored_crop,
    read_visible,
)
from countenance.footage import Clip, known_clips
from countenance.pages import jpeg_of
from countenance.project import Project
from countenance.review.query import (
    NAME,
    FaceQuery,
    State,
    WaitingTrack,
    choose,
    faces_named,
    measured,
    state_of,
    waiting_tracks,
)
from countenance.steps.guards import Guard
from countenance.types import Permit, Rejection
from countenance.vision.align import frame_to_crop, head_pose
from countenance.vision.crops import decode_crop

MOST_ROWS = 500
"""So many faces are shown at once."""
KNOWN_FACES = 6
"""Faces identified as the person's, to compare with."""
BARS = 60
"""Of a histogram."""
KEPT_ORDERS = 8
THUMBNAIL_BYTES = 48 * 2**20
"""Thumbnails are kept in memory up to so many bytes."""
THUMBNAIL_QUALITY = 85


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Listing:
    """All faces of a person at one moment."""

    version: str
    """Another one after each change of the project."""
    faces: list[ListedFace]
    clips: dict[str, Clip]
    """By their SHA-256."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ShownFace:
    """A face with what the user decided on it."""

    face: StoredFace
    word: Word | None
    """Keep or drop, None where it is judged automatically."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Histogram:
    """How a measure is spread, in bars of the same width; what lies outside of `low` and `high` counts at the ends."""

    low: float
    high: float
    counts: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Summary:
    """What a query finds, and what it would find in any state."""

    total: int
    num_faces: int
    """Of the person, whatever the query."""
    num_tracks: int
    """Of these, tracks that wait for a decision on whose they are."""
    states: Counter[State]
    reasons: Counter[Rejection]
    clips: Counter[str]
    """By their SHA-256, over all faces."""
    histogram: Histogram | None
    """Of the measure by which is sorted, without the query's range of it."""


@dataclass(kw_only=True, slots=True)
class _Thumbnails:
    """The last ones that were asked for, as JPEG."""

    kept: OrderedDict[tuple[bytes, int], bytes] = field(default_factory=OrderedDict)
    num_bytes: int = 0

    def find(self, key: tuple[bytes, int]) -> bytes | None:
        if key in self.kept:
            self.kept.move_to_end(key)
        return self.kept.get(key)

    def add(self, key: tuple[bytes, int], jpeg: bytes) -> None:
        self.num_bytes += len(jpeg) - len(self.kept.get(key, b""))
        self.kept[key] = jpeg
        while self.num_bytes > THUMBNAIL_BYTES:
            _, oldest = self.kept.popitem(last=False)
            self.num_bytes -= len(oldest)


class Gallery:
    """The faces of one person, kept in memory between questions; each question asks first whether consent holds.

    It may be asked from several threads, each with the project as it opened it.
    """

    def __init__(self, project: Project, person: str, permit: Permit) -> None:
        """Let a permit in.

        Raises:
            ConsentError: it doesn't hold.
        """
        self.person = person
        self._guard = Guard(project, permit, "prepare", people=(person,))
        self._lock = Lock()
        self._qualities = Qualities()
        self._state: tuple[object, ...] | None = None
        self._listing: Listing | None = None
        self._orders: OrderedDict[FaceQuery, list[ListedFace]] = OrderedDict()
        self._thumbnails = _Thumbnails()

    def check(self) -> None:
        """Return if faces may be shown as of now.

        Raises:
            ConsentError: consent ended.
        """
        self._guard.check()

    def listing(self, project: Project) -> Listing:
        """All faces, read again after each change of the project.

        Raises:
            ConsentError: consent ended.
            FaceError: there are none, or preparing was stopped before its end.
        """
        self.check()
        with self._lock:
            state = version_of(project.folder / DATABASE_NAME)
            if self._listing is None or state != self._state:
                self._listing, self._state = self._read(project, state), state
                self._orders.clear()
            return self._listing

    def chosen(self, project: Project, query: FaceQuery) -> list[ListedFace]:
        """The faces that a query asks for, as `review.query.choose` gives them.

        Raises:
            UsageError: no clip has that name.
        """
        listing = self.listing(project)
        with self._lock:
            if query in self._orders:
                self._orders.move_to_end(query)
                return self._orders[query]
        chosen = choose(listing.faces, listing.clips, query)
        with self._lock:
            if self._listing is listing:
                self._orders[query] = chosen
                while len(self._orders) > KEPT_ORDERS:
                    self._orders.popitem(last=False)
        return chosen

    def rows(self, project: Project, query: FaceQuery, begin: int, count: int) -> list[ShownFace]:
        """So many of the faces that a query asks for, from one position on.

        Raises:
            UsageError: more than `MOST_ROWS`, or no clip has that name.
        """
        if begin < 0 or not 0 < count <= MOST_ROWS:
            raise UsageError(f"expected 1 to {MOST_ROWS} faces from position 0 on, got {count} from {begin}")
        numbers = [face.id for face in self.chosen(project, query)[begin : begin + count]]
        found = {face.id: face for face in faces_with_ids(project, numbers)}
        return self._shown(project, [found[number] for number in numbers if number in found])

    def summary(self, project: Project, query: FaceQuery) -> Summary:
        """What a query finds, counted.

        Raises:
            UsageError: no clip has that name.
        """
        listing = self.listing(project)
        in_any_state = self.chosen(project, replace(query, where=None, sort="frame", reverse=False))
        reasons = Counter[Rejection]()
        for face in in_any_state:
            reasons.update(face.rejections or ())
        return Summary(
            total=len(self.chosen(project, query)),
            num_faces=len(listing.faces),
            num_tracks=len({face.track for face in listing.faces if state_of(face) == "unsure"}),
            states=Counter(state_of(face) for face in in_any_state),
            reasons=reasons,
            clips=Counter(face.clip_sha256 for face in listing.faces),
            histogram=self._histogram(project, query),
        )

    def face(self, project: Project, name: str) -> ShownFace:
        """The face that a whole name means.

        Raises:
            UsageError: none.
        """
        self.check()
        told = NAME.fullmatch(name)
        near = faces_in_frame(project, self.person, told["clip"], int(told["frame"])) if told else []
        return self._shown(project, faces_named(near, [name]))[0]

    def thumbnail(self, project: Project, name: str, size: int) -> bytes:
        """A face's crop as JPEG, at a side of `size` pixels or its own, if that is smaller.

        Raises:
            UsageError: no face is called so.
            FaceError: its picture isn't stored.
        """
        png = read_stored_crop(project, self.face(project, name).face.id)
        key = (hashlib.blake2b(png, digest_size=16).digest(), size)
        with self._lock:
            known = self._thumbnails.find(key)
        if known is not None:
            return known
        rgb = decode_crop(png)
        if size < len(rgb):
            rgb = np.asarray(cv2.resize(rgb, (size, size), interpolation=cv2.INTER_AREA), np.uint8)
        jpeg = jpeg_of(rgb, quality=THUMBNAIL_QUALITY)
        with self._lock:
            self._thumbnails.add(key, jpeg)
        return jpeg

    def mask(self, project: Project, name: str) -> UInt8[np.ndarray, "S S"]:
        """Where a face is seen in its crop, 0–255, at the crop's size.

        Raises:
            UsageError: no face is called so.
            FaceError: its picture isn't stored.
        """
        visible = read_visible(project, self.face(project, name).face.id)
        return np.round(visible * 255).astype(np.uint8)

    def crop(self, project: Project, face: StoredFace) -> tuple[int, Float32[np.ndarray, "2 3"]]:
        """Side of a face's crop in pixels, and the transform from its frame into it.

        Raises:
            FaceError: its picture isn't stored.
        """
        self.check()
        side = len(decode_crop(read_stored_crop(project, face.id)))
        return side, frame_to_crop(head_pose(face.landmarks_xyz), side)

    def waiting(self, project: Project) -> list[WaitingTrack]:
        """The tracks that wait for a decision on whose they are, the likeliest first."""
        unsure = self.chosen(project, FaceQuery(where="unsure"))
        return waiting_tracks(faces_with_ids(project, [face.id for face in unsure]))

    def known(self, project: Project) -> list[StoredFace]:
        """Kept faces that differ most from each other, to compare with."""
        kept = self.chosen(project, FaceQuery(where="kept"))
        # Of thousands each so many are enough to choose from.
        some = kept[:: max(len(kept) // 500, 1)]
        varied = [some[position].id for position in most_varied([face.quality for face in some], KNOWN_FACES)]
        return faces_with_ids(project, varied)

    def _read(self, project: Project, state: tuple[object, ...]) -> Listing:
        faces = listed_faces(project, self.person, self._qualities)
        if len(self._qualities) > 2 * len(faces):
            # Of faces that are gone.
            self._qualities.clear()
        is_undecided = any(face.rejections is None for face in faces)
        if not faces or is_undecided:
            why = "preparing was stopped before its end" if is_undecided else f"no faces of {self.person} here"
            raise FaceError(
                f"{why}; run `countenance prepare {self.person}` first", code="face.set_missing", person=self.person
            )
        version = hashlib.blake2b(repr(state).encode(), digest_size=8).hexdigest()
        return Listing(version=version, faces=faces, clips=known_clips(project, self.person))

    def _shown(self, project: Project, faces: Sequence[StoredFace]) -> list[ShownFace]:
        said = {
            sha256: _by_frame(answers(project, self.person, sha256)) for sha256 in {face.clip_sha256 for face in faces}
        }
        return [
            ShownFace(face=face, word=says(said[face.clip_sha256].get(face.frame, ()), face, ("keep", "drop")))
            for face in faces
        ]

    def _histogram(self, project: Project, query: FaceQuery) -> Histogram | None:
        if query.sort == "frame":
            return None
        others = tuple(each for each in query.ranges if each.measure != query.sort)
        values = np.array([measured(face, query.sort) for face in self.chosen(project, replace(query, ranges=others))])
        if len(values) == 0:
            return None
        # A few extremes would squeeze all others into one bar.
        low, high = (float(each) for each in np.percentile(values, (0.2, 99.8)))
        high = max(high, low + 1e-6)
        counts, _ = np.histogram(values.clip(low, high), BARS, (low, high))
        return Histogram(low=low, high=high, counts=tuple(counts.tolist()))


def _by_frame(said: Sequence[Answer]) -> Mapping[int, list[Answer]]:
    by_frame = defaultdict[int, list[Answer]](list)
    for each in said:
        by_frame[each.frame].append(each)
    return by_frame
