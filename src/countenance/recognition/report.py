"""What the measurement of a disguise says: rates, in words, and as a page."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from countenance.pages import data_address, environment_of
from countenance.recognition.measure import Looks

NET_LIMIT = 0.6
"""Below it the recogniser's makers take two pictures for one person's: looser than the product, for single pictures."""
STRANGERS = "Of strangers' tracks 1.1% lie within 0.40 and a quarter within 0.50 (docs/prepare.md)."
CURVE_WH = (1000, 170)
FARTHEST = 1.2
"""Distance at the top of the curve."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rates:
    """Fractions of faces, before and after."""

    before: float
    after: float


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Recognition:
    """Whether a performer could still be recognised in a published file."""

    person: str
    file: str
    file_sha256: str
    plate: str
    plate_sha256: str
    num_frames: int
    """Of the plate."""
    limit: float
    """Nearer than this, a track is taken for the person's."""
    unsure_limit: float
    """Nearer than this, it may be."""
    num_known_tracks: int
    """Of the person's own footage, that are compared with beside the release's pictures."""
    looks: Looks

    @property
    def num_frames_without(self) -> int:
        """In which the person wasn't found in the plate, so that nothing was measured."""
        return self.num_frames - len({face.frame for face in self.looks.faces})

    @property
    def num_unreplaced(self) -> int:
        return sum(not face.is_replaced for face in self.looks.faces)

    def within(self, limit: float) -> Rates:
        """Of all faces, those nearer than a limit."""
        faces = self.looks.faces
        return Rates(
            before=sum(face.before < limit for face in faces) / len(faces),
            after=sum(face.after < limit for face in faces) / len(faces),
        )

    @property
    def verdict(self) -> str:
        """The answer in a few sentences."""
        rates, tracks = self.within(self.limit), self.looks.tracks
        told = sum(track.after < self.limit for track in tracks)
        open_ = sum(self.limit <= track.after < self.unsure_limit for track in tracks)
        return (
            f"By the recogniser used here, {self.person} would be recognised in {rates.after:.1%} of "
            f"{len(self.looks.faces):,} faces, {rates.before:.1%} before. Taken shot by shot, as it decides, in "
            f"{told} of {len(tracks)}{f', and {open_} more may be them' if open_ else ''}. "
            f"Within {NET_LIMIT:.2f}, the cautious limit, lie {self.within(NET_LIMIT).after:.1%} of faces: where that "
            "is many, another recogniser may well see the person; choose a likeness that resembles them less."
        )


CANNOT_TELL = (
    "Another recogniser, or a better one of tomorrow, may see what this one doesn't. An actor who resembled the "
    "witness left none of 96 frames to this one and half of them to a second one (docs/disguise.md).",
    "Somebody who knows the person also goes by hair, ears, neck, hands, build, posture, gait, clothes, voice and "
    "words, and by where and when this was filmed. None of these is changed or measured.",
    "Expressions and the way the head moves stay the person's own: that is what the replacement is for.",
    "Faces that weren't found in the plate, such as a reflection, a profile far away or a photo on a wall, weren't "
    "replaced.",
    "A figure of 0% is therefore no promise of anonymity. Let somebody who knows the person watch the file, with its "
    "sound, before it leaves the house.",
)
"""What the figures don't say, in plain words."""


def recognition_document(result: Recognition) -> dict[str, Any]:
    """For programs."""
    looks = result.looks
    return {
        "person": result.person,
        "file": result.file,
        "file_sha256": result.file_sha256,
        "plate": result.plate,
        "plate_sha256": result.plate_sha256,
        "verdict": result.verdict,
        "frames": result.num_frames,
        "frames_without": result.num_frames_without,
        "faces_not_replaced": result.num_unreplaced,
        "known_tracks": result.num_known_tracks,
        "limits": {
            name: {"distance": limit, **asdict(result.within(limit))} for name, limit in limits_of(result).items()
        },
        "tracks": [asdict(track) for track in looks.tracks],
        "nearest": [face.look.frame for face in looks.nearest],
        "faces": [asdict(face) for face in looks.faces],
    }


def limits_of(result: Recognition) -> Mapping[str, float]:
    """The distances at which rates are told."""
    return {"recognised": result.limit, "unsure": result.unsure_limit, "net": NET_LIMIT}


def recognition_page(result: Recognition, *, made_on: date, version: str) -> str:
    """Draw the report.

    The page shows faces, and the unaltered one among them: a caller that writes it to a disk keeps it private.
    """
    environment = environment_of("countenance.recognition")
    environment.globals["picture"] = data_address
    return environment.get_template("recognition.html").render(
        result=result,
        looks=result.looks,
        rates={name: result.within(limit) for name, limit in limits_of(result).items()},
        limits=limits_of(result),
        curves={name: _points(result, name) for name in ("before", "after")},
        levels={name: _height(limit) for name, limit in limits_of(result).items()},
        curve_wh=CURVE_WH,
        cannot_tell=CANNOT_TELL,
        strangers=STRANGERS,
        made_on=f"{made_on.day} {made_on:%B %Y}",
        version=version,
    )


def _height(distance: float) -> float:
    return CURVE_WH[1] * (1 - min(distance, FARTHEST) / FARTHEST)


def _points(result: Recognition, name: str) -> str:
    """Distances over time, of at most as many faces as the curve is wide: of several, the nearest."""
    faces, (width, _) = result.looks.faces, CURVE_WH
    first, last = faces[0].time_s, max(faces[-1].time_s, faces[0].time_s + 1e-9)
    nearest: dict[int, float] = {}
    for face in faces:
        column = round(width * (face.time_s - first) / (last - first))
        nearest[column] = min(nearest.get(column, FARTHEST), getattr(face, name))
    return " ".join(f"{column},{_height(distance):.1f}" for column, distance in sorted(nearest.items()))
