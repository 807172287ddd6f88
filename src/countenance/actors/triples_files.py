"""Files of a corpus of triples, and how they are read.

    manifest.json         the plan, from which all of it can be made again
    people/0007.zip       a person's references
    takes/0123.zip        a plate and its ground truths, frame by frame

Each zip holds strips of frames side by side (images as lossless WebP, labels and masks as PNG) and `known.npz`. Lossy
images would differ between plate and truth outside of the region as well, and would be degraded before the camera that
may film them when they are read.
"""

import io
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from countenance.actors.footage import png
from countenance.actors.triples_plan import FRAMES, Person, Plan, Take, TriplesSpec
from countenance.capture.film import film_image
from countenance.capture.presets import draw_capture
from countenance.capture.settings import Capture
from countenance.errors import ActorError
from countenance.project import write_whole

MANIFEST_NAME = "manifest.json"
RUN_AGAIN = "run `countenance actors triples` again"
Rgbs = UInt8[np.ndarray, "N S S 3"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Frames:
    """Frames of one figure, and what is known of them."""

    rgb: Rgbs
    labels: UInt8[np.ndarray, "N S S"]
    """`parts.Part` at each pixel's middle."""
    face_mask: UInt8[np.ndarray, "N S S"]
    """0–255: how much of a pixel shows the face that is replaced."""
    landmarks_xy: Float32[np.ndarray, "N 468 2"]
    """Hidden points too."""
    landmarks_depth_m: Float32[np.ndarray, "N 468"]
    """Along the view."""
    head_to_camera: Float32[np.ndarray, "N 4 4"]
    """From the head's frame, in which it rests (metres; y up, z out of the face, x to the subject's left), to the
    camera's (x right, y down, z along the view)."""
    neutral_xyz_m: Float32[np.ndarray, "468 3"]
    """The 468 points of the figure at rest, in the head's frame."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Motion:
    """What is performed, and through which lens it is seen."""

    yaw_pitch_roll_deg: Float32[np.ndarray, "N 3"]
    """Of the head as the camera sees it, in `types.FaceQuality`'s sense."""
    gaze_deg: Float32[np.ndarray, "N 2"]
    """Yaw and pitch relative to the head; yaw > 0 to the subject's left, pitch > 0 up."""
    units: Mapping[str, Float32[np.ndarray, " N"]]
    """Face units by their names, 0–1."""
    focal: Float32[np.ndarray, " N"]
    """Focal length as a fraction of the image's side; the optical axis meets the image's middle."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Triple:
    """A plate and its ground truths, the frames `FRAMES` of one performance."""

    take: Take
    plate: Frames
    truth: Frames
    """The likeness's face in its own skin."""
    truth_toned_rgb: Rgbs
    """The same in the performer's tone."""
    motion: Motion


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class References:
    """Frames of a person in other performances, in several lights, their yaws evenly spread."""

    person: Person
    frames: Frames
    motion: Motion


def read_plan(folder: Path) -> Plan:
    """What a corpus is planned to hold.

    Raises:
        ActorError: there is no corpus, or none that this version can read.
    """
    path = folder / MANIFEST_NAME
    try:
        facts: dict[str, Any] = json.loads(path.read_text())
        plan = Plan(
            spec=TriplesSpec(**facts["spec"]),
            people=tuple(
                Person(**{**each, "reference_frames": tuple(each["reference_frames"])}) for each in facts["people"]
            ),
            takes=tuple(Take(**each) for each in facts["takes"]),
        )
        readable = tuple(facts["frames"]) == FRAMES
    except OSError:
        raise ActorError(f"no corpus in {folder}; make one with `countenance actors triples`") from None
    except (ValueError, KeyError, AttributeError, TypeError):
        readable = False
    if not readable:
        raise ActorError(f"{path} is no manifest that this version made; make the corpus again elsewhere")
    return plan


def person_path(folder: Path, number: int) -> Path:
    """File of a person's references."""
    return folder / "people" / f"{number:04}.zip"


def take_path(folder: Path, number: int) -> Path:
    """File of a take."""
    return folder / "takes" / f"{number:04}.zip"


def rendered_takes(folder: Path, plan: Plan) -> list[Take]:
    """Those that can be read."""
    return [take for take in plan.takes if take_path(folder, take.number).exists()]


def read_triple(folder: Path, take: Take, *, capture: Capture | None = None) -> Triple:
    """A plate and its ground truths; with `capture`, all of them as that camera filmed them, but without motion blur.

    Raises:
        ActorError: it isn't rendered yet, or its file is damaged.

    >>> plan = read_plan(folder)
    >>> triple = read_triple(folder, plan.takes[12], capture=draw_capture(plan.takes[12].capture_seed))
    >>> references = read_references(folder, plan.people[triple.take.likeness])
    """
    members, known = _read(take_path(folder, take.number), f"take {take.number}")
    return Triple(
        take=take,
        plate=_frames(members, known, "plate", capture),
        truth=_frames(members, known, "truth", capture),
        truth_toned_rgb=_filmed(_split(members["truth_toned.webp"], len(known["focal"])), capture),
        motion=_motion(known),
    )


def read_triples(folder: Path, takes: Iterable[Take], *, filmed: bool = False) -> Iterator[Triple]:
    """One triple after another; `filmed` by the camera that the plan drew for each."""
    for take in takes:
        yield read_triple(folder, take, capture=draw_capture(take.capture_seed) if filmed else None)


def read_references(folder: Path, person: Person, *, capture: Capture | None = None) -> References:
    """A person's other performances; with `capture` as that camera filmed them.

    Raises:
        ActorError: they aren't rendered yet, or their file is damaged.
    """
    members, known = _read(person_path(folder, person.number), f"the references of person {person.number}")
    return References(person=person, frames=_frames(members, known, "references", capture), motion=_motion(known))


def write_triple(folder: Path, triple: Triple) -> None:
    """A take's file, whole."""
    members = {
        **_members("plate", triple.plate),
        **_members("truth", triple.truth),
        "truth_toned.webp": _webp(triple.truth_toned_rgb),
        "known.npz": _npz(
            {**_known("plate", triple.plate), **_known("truth", triple.truth), **_known_motion(triple.motion)}
        ),
    }
    write_whole(take_path(folder, triple.take.number), _zip(members))


def write_references(folder: Path, references: References) -> None:
    """The file of a person's references, whole."""
    members = {
        **_members("references", references.frames),
        "known.npz": _npz({**_known("references", references.frames), **_known_motion(references.motion)}),
    }
    write_whole(person_path(folder, references.person.number), _zip(members))


def _members(name: str, frames: Frames) -> dict[str, bytes]:
    return {
        f"{name}.webp": _webp(frames.rgb),
        f"{name}_labels.png": png(np.hstack(list(frames.labels))),
        f"{name}_mask.png": png(np.hstack(list(frames.face_mask))),
    }


def _known(name: str, frames: Frames) -> dict[str, np.ndarray]:
    return {
        f"{name}_landmarks_xy": frames.landmarks_xy,
        f"{name}_landmarks_depth_m": frames.landmarks_depth_m,
        f"{name}_head_to_camera": frames.head_to_camera,
        f"{name}_neutral_xyz_m": frames.neutral_xyz_m,
    }


def _known_motion(motion: Motion) -> dict[str, np.ndarray]:
    names = sorted(motion.units)
    return {
        "yaw_pitch_roll_deg": motion.yaw_pitch_roll_deg,
        "gaze_deg": motion.gaze_deg,
        "unit_names": np.array(names),
        "units": np.stack([motion.units[name] for name in names], axis=1),
        "focal": motion.focal,
    }


def _frames(
    members: Mapping[str, bytes], known: Mapping[str, np.ndarray], name: str, capture: Capture | None
) -> Frames:
    number = len(known["focal"])
    return Frames(
        rgb=_filmed(_split(members[f"{name}.webp"], number), capture),
        labels=_split(members[f"{name}_labels.png"], number),
        face_mask=_split(members[f"{name}_mask.png"], number),
        landmarks_xy=known[f"{name}_landmarks_xy"],
        landmarks_depth_m=known[f"{name}_landmarks_depth_m"],
        head_to_camera=known[f"{name}_head_to_camera"],
        neutral_xyz_m=known[f"{name}_neutral_xyz_m"],
    )


def _filmed(rgbs: Rgbs, capture: Capture | None) -> Rgbs:
    if capture is None:
        return rgbs
    # Noise of its own for each frame, and the same for the same frame of plate and truth.
    captures = [replace(capture, seed=capture.seed * len(rgbs) + number) for number in range(len(rgbs))]
    return np.stack([film_image(rgb, each) for rgb, each in zip(rgbs, captures, strict=True)])


def _motion(known: Mapping[str, np.ndarray]) -> Motion:
    names = known["unit_names"].tolist()
    return Motion(
        yaw_pitch_roll_deg=known["yaw_pitch_roll_deg"],
        gaze_deg=known["gaze_deg"],
        units={name: known["units"][:, column] for column, name in enumerate(names)},
        focal=known["focal"],
    )


def _read(path: Path, what: str) -> tuple[dict[str, bytes], dict[str, np.ndarray]]:
    try:
        with zipfile.ZipFile(path) as file:
            members = {name: file.read(name) for name in file.namelist()}
        with np.load(io.BytesIO(members.pop("known.npz"))) as known:
            return members, dict(known)
    except FileNotFoundError:
        raise ActorError(f"{what} isn't in {path.parent} yet; {RUN_AGAIN}") from None
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        raise ActorError(f"{path} can't be read; delete it and {RUN_AGAIN}") from None


def _split(strip: bytes, number: int) -> UInt8[np.ndarray, "N S S *C"]:
    with Image.open(io.BytesIO(strip)) as image:
        return np.stack(np.split(np.asarray(image, np.uint8), number, axis=1))


def _webp(frames: Rgbs) -> bytes:
    data = io.BytesIO()
    # The fastest method: the slower ones take ten times as long for a file a seventh smaller.
    Image.fromarray(np.hstack(list(frames))).save(data, format="WEBP", lossless=True, method=0)
    return data.getvalue()


def _npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    data = io.BytesIO()
    np.savez_compressed(data, **arrays)  # type: ignore[arg-type]
    return data.getvalue()


def _zip(members: Mapping[str, bytes]) -> bytes:
    """The same bytes for the same members: without a date, and stored, as all of them are compressed."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", compression=zipfile.ZIP_STORED) as file:
        for name, content in members.items():
            file.writestr(zipfile.ZipInfo(name), content)
    return data.getvalue()
