"""Faces as a folder of images with a JSON sidecar: exported from a project, and imported again after editing.

Nothing in such a folder is trusted. Of each face only three things are imported: a decision (keep or drop), a mask, and
landmarks that still lie on the same face. Crops are never imported: they are cut from their clips.
"""

import hashlib
import json
import os
import re
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Annotated, Literal

import cv2
import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image
from pydantic import Field, TypeAdapter, ValidationError

from countenance.errors import FaceError, MediaError, UsageError
from countenance.faces.store import StoredFace, read_crop, read_visible
from countenance.media.files import open_regular
from countenance.progress import Progress
from countenance.project import Project, write_whole
from countenance.review.query import NAME, faces_called, state_of
from countenance.vision.align import frame_to_crop, head_pose
from countenance.vision.crops import CROP_SIZES, decode_mask, encode_crop, encode_mask
from countenance.vision.mask import hull_in_crop

SIDECAR_NAME = "faces.json"
SCHEMA = 1
MAX_FACES = 10_000
MAX_SIDECAR_BYTES = 200_000_000
"""Limit for the sidecar's size; roughly that of `MAX_FACES` faces."""
MAX_PICTURE_BYTES = 8_000_000
"""More than the largest crop takes without any compression, with transparency."""
MAX_NUDGE = 0.5
"""In widths of the face: a point that moves further leaves the face that was found, maybe for somebody else's."""
PICTURE_ERRORS = (OSError, SyntaxError, ValueError, ArithmeticError, LookupError, Image.DecompressionBombError)
"""What Pillow raises for damaged or malicious images."""

Landmarks = Float32[np.ndarray, "468 3"]
Crop = UInt8[np.ndarray, "S S 3"]
Mask = Float32[np.ndarray, "S S"]
_Number = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]
_Points = Annotated[list[tuple[_Number, _Number, _Number]], Field(min_length=468, max_length=468)]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Change:
    """What an import changes about one face."""

    face: StoredFace
    word: Literal["keep", "drop"] | None = None
    is_deleted: bool = False
    """Whether its crop isn't in the folder any more."""
    mask: Mask | None = None
    """Painted by hand."""
    landmarks_xyz: Landmarks | None = None
    """Nudged, in pixels of the frame."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Digests:
    """Of what was exported, to find what was changed since: SHA-256 of pixels, or of landmarks rounded to 0.01 px."""

    picture: str
    mask: str
    landmarks: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _Record:
    """The fields of a face in the sidecar that are imported; the others are informative."""

    name: Annotated[str, Field(pattern=f"^{NAME.pattern}$", max_length=80)]
    state: Literal["kept", "left-out", "unsure", "keep", "drop"]
    landmarks_xyz: _Points
    exported: _Digests


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sidecar:
    schema: int
    person: str
    faces: Annotated[list[_Record], Field(max_length=MAX_FACES)]


# Out.


def check_folder(folder: Path) -> None:
    """Check that faces can be exported to a folder: a new or empty one.

    Raises:
        UsageError: they can't.
    """
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise UsageError(f"expected a new or empty folder, but {folder} holds something; choose another name")


def write_folder(
    project: Project, person: str, faces: Sequence[StoredFace], times_s: Mapping[int, float], folder: Path
) -> Iterator[StoredFace]:
    """Export faces one after the other, each as it is yielded; the sidecar, last, makes the folder whole.

    All of it is readable by its owner only. `times_s` are those of the faces' ids, in seconds from the clip's zero.

    Raises:
        UsageError: the folder holds something, or there are more than `MAX_FACES`.
        FaceError: a face has no picture.
    """
    check_folder(folder)
    if len(faces) > MAX_FACES:
        raise UsageError(f"expected at most {MAX_FACES:,} faces, got {len(faces):,}; choose fewer, as with --limit")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    records = []
    for face in faces:
        crop, mask = read_crop(project, face.id), _grey(read_visible(project, face.id))
        _write_private(folder / f"{face.name}.png", encode_crop(crop))
        _write_private(folder / f"{face.name}.mask.png", encode_grey(mask))
        records.append(_document(face, crop, mask, times_s[face.id]))
        yield face
    document = {"schema": SCHEMA, "person": person, "faces": records}
    write_whole(folder / SIDECAR_NAME, _json(document), mode=0o600)


def num_exported(folder: Path) -> int | None:
    """How many faces a whole export in a folder has; None where its sidecar, which comes last, isn't there."""
    try:
        return len(json.loads((folder / SIDECAR_NAME).read_bytes())["faces"])
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None


def exported_files(folder: Path, person: str, clips: Collection[str]) -> list[Path]:
    """The files in a folder that an export of a person's faces wrote, be it whole, changed since or cut short.

    `clips` are the SHA-256 of their clips: without a sidecar, names of pictures say from which clip they are.
    """
    sidecar, owner = folder / SIDECAR_NAME, None
    if sidecar.is_file():
        # Whatever else was edited in it.
        found = re.search(r'"person":\s*"([^"]*)"', sidecar.read_bytes().decode(errors="replace"))
        owner = found[1] if found else None
        if owner not in (None, person):
            return []
    starts = {sha256[:12] for sha256 in clips}
    names = ((path, re.fullmatch(rf"{NAME.pattern}(\.mask)?\.png", path.name)) for path in folder.iterdir())
    pictures = [path for path, name in names if name and (owner == person or name["clip"] in starts)]
    return [*pictures, sidecar] if owner == person else pictures


def _document(face: StoredFace, crop: Crop, mask: UInt8[np.ndarray, "S S"], time_s: float) -> dict[str, object]:
    points = _rounded(face.landmarks_xyz)
    return {
        "name": face.name,
        "clip_sha256": face.clip_sha256,
        "frame": face.frame,
        "time_s": round(time_s, 6),
        "state": state_of(face),
        "reasons": list(face.rejections),
        "distance": round(face.distance, 4),
        "margin": round(face.margin, 4),
        "score": round(face.score, 4),
        "quality": asdict(face.quality),
        "mask_origin": face.mask_origin,
        "exported": {"picture": _digest(crop), "mask": _digest(mask), "landmarks": _points_digest(points)},
        "landmarks_xyz": points,
    }


def _json(document: Mapping[str, object]) -> bytes:
    """One line for each face's landmarks, so that the rest can be read and edited by people."""
    text = json.dumps(document, indent=1)
    begin, opening, closing = 0, '"landmarks_xyz": [', "\n   ]"
    parts = []
    while (at := text.find(opening, begin)) >= 0:
        end = text.index(closing, at)
        parts += [text[begin:at], "".join(text[at:end].split())]
        begin = end + len(closing) - 1
    return "".join([*parts, text[begin:]]).encode()


def _write_private(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)


# Back in.


def read_folder(
    project: Project, person: str, faces: Sequence[StoredFace], folder: Path, *, progress: Progress
) -> list[Change]:
    """What was changed in an exported folder since, all of it checked; `faces` are those that the project has now.

    Raises:
        UsageError: it is not an exported folder, or holds something that can't be imported.
        FaceError: a face in it isn't in the project any more, or its crop was cut again since.
    """
    if not folder.is_dir():
        raise UsageError(f"expected a folder made by `countenance faces export`, but there is none at {folder}")
    sidecar = _read_sidecar(folder / SIDECAR_NAME)
    if sidecar.person != person:
        raise UsageError(f"expected faces of {person}, but {folder} holds those of {sidecar.person}; name that person")
    _check_strangers(folder, sidecar)
    changes = []
    found = faces_called(faces, [record.name for record in sidecar.faces])
    pairs = progress.track(
        zip(sidecar.faces, found, strict=True), what=f"reading {folder}", unit="faces", total=len(found)
    )
    for record, face in pairs:
        if face is None:
            raise FaceError(
                f"{record.name} in {folder / SIDECAR_NAME} isn't among the faces of {person} any more; export again"
            )
        changes.append(_change(project, face, record, folder))
    if len({change.face.id for change in changes}) < len(changes):
        raise UsageError(f"{folder / SIDECAR_NAME} names a face twice; export again")
    return changes


def hidden_by_hand(landmarks_xyz: Landmarks, mask: Mask) -> float:
    """The fraction of a face that a mask made by hand leaves out, 0–1."""
    size = len(mask)
    hull = hull_in_crop(landmarks_xyz, frame_to_crop(head_pose(landmarks_xyz), size), size)
    return float(1 - (hull * mask).sum() / max(hull.sum(), 1.0))


def checked_landmarks(face: StoredFace, points: Sequence[Sequence[float]]) -> Landmarks:
    """Landmarks that a user moved, 468 points of x, y, z in pixels of the frame, if they still lie on the same face.

    Raises:
        FaceError: the face has no picture, which would be cut anew.
        UsageError: they are no face's, or lie elsewhere.
    """
    if not face.has_crop:
        raise FaceError(f"{face.name} is a near duplicate now, whose picture isn't stored; export again")
    new = np.array(points, np.float64)
    width = float(np.ptp(face.landmarks_xyz[:, 0]))
    if np.abs(new - face.landmarks_xyz).max() > MAX_NUDGE * width:
        raise UsageError(
            f"the landmarks of {face.name} were moved by more than half of the face's width ({width:.0f} px); "
            "they have to stay on the face that was found"
        )
    landmarks_xyz = new.astype(np.float32)
    pose = head_pose(landmarks_xyz)
    if not np.isfinite([*pose.centre_xy, pose.unit_px, pose.roll_deg]).all() or pose.crop_side_px < width / 2:
        raise UsageError(f"the landmarks of {face.name} don't make a face any more; move them back onto it")
    return landmarks_xyz


def checked_mask(face: StoredFace, grey: UInt8[np.ndarray, "S S"], *, remedy: str) -> Mask:
    """A mask that a user painted, if it leaves something of the face; `remedy` is how to leave the face out.

    Raises:
        UsageError: it leaves nothing.
    """
    if grey.max() < 128:
        raise UsageError(f"the mask of {face.name} leaves nothing of the face; to leave the face out, {remedy}")
    return grey.astype(np.float32) / 255


def _read_sidecar(path: Path) -> _Sidecar:
    content = _read_private(path, MAX_SIDECAR_BYTES)
    try:
        sidecar = TypeAdapter(_Sidecar).validate_json(content, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        message = first["msg"][0].lower() + first["msg"][1:]
        raise UsageError(f"{path}{f' at {where}' if where else ''}: {message}; correct it or export again") from None
    if sidecar.schema != SCHEMA:
        raise UsageError(f"{path} has schema {sidecar.schema}, this version reads {SCHEMA}; export again")
    return sidecar


def _check_strangers(folder: Path, sidecar: _Sidecar) -> None:
    """Reject an image that was added from outside: it would be a face without footage."""
    known = {f"{record.name}{ending}" for record in sidecar.faces for ending in (".png", ".mask.png")}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() == ".png" and path.name not in known:
            raise UsageError(
                f"{path} isn't in {SIDECAR_NAME}: faces come from clips only, with `countenance collect`; "
                "move it out of there"
            )


def _change(project: Project, face: StoredFace, record: _Record, folder: Path) -> Change:
    picture_path, mask_path = folder / f"{record.name}.png", folder / f"{record.name}.mask.png"
    word: Literal["keep", "drop"] | None = None
    if record.state in {"keep", "drop"}:
        word = "keep" if record.state == "keep" else "drop"
    landmarks_xyz = _nudged(face, record)
    if not picture_path.is_symlink() and not picture_path.exists():
        if word == "keep" or landmarks_xyz is not None:
            raise UsageError(f"{record.name} was changed in {SIDECAR_NAME}, but its picture was deleted; decide on one")
        return Change(face=face, word=word, is_deleted=True)
    crop = _read_picture(picture_path, "RGB", CROP_SIZES)
    if _digest(crop) != record.exported.picture:
        raise UsageError(
            f"{picture_path} was changed: a face's picture is cut from its clip and can't be retouched; "
            "export again, or delete it to leave the face out"
        )
    mask = _painted(project, face, record, crop, mask_path)
    if mask is not None and landmarks_xyz is not None:
        raise UsageError(
            f"{record.name} has new landmarks and a new mask, which was painted on the old crop; import one of them, "
            "then export again"
        )
    return Change(face=face, word=word, mask=mask, landmarks_xyz=landmarks_xyz)


def _nudged(face: StoredFace, record: _Record) -> Landmarks | None:
    """The new landmarks, if they were changed and aren't in the project already."""
    if _points_digest(record.landmarks_xyz) == record.exported.landmarks:
        return None
    if record.landmarks_xyz == [tuple(point) for point in _rounded(face.landmarks_xyz)]:
        return None
    return checked_landmarks(face, record.landmarks_xyz)


def _painted(project: Project, face: StoredFace, record: _Record, crop: Crop, path: Path) -> Mask | None:
    """The new mask, if it was changed and isn't in the project already."""
    grey = _read_picture(path, "L", (len(crop),))
    if _digest(grey) == record.exported.mask:
        return None
    if not face.has_crop or not np.array_equal(crop, read_crop(project, face.id)):
        raise FaceError(f"{record.name} was cut again since {path} was exported; export again, then paint")
    mask = checked_mask(face, grey, remedy="delete its picture")
    is_stored = np.array_equal(decode_mask(encode_mask(mask)), read_visible(project, face.id))
    return None if is_stored else mask


def _read_picture(path: Path, mode: Literal["RGB", "L"], sizes: Sequence[int]) -> np.ndarray:
    """A square crop or mask from a PNG as paint programs save it; transparent pixels of a mask are black."""
    return read_png(_read_private(path, MAX_PICTURE_BYTES), f"{path}", mode, sizes)


def read_png(content: bytes, what: str, mode: Literal["RGB", "L"], sizes: Sequence[int]) -> np.ndarray:
    """The same from a file's bytes; `what` names it.

    Raises:
        UsageError: it is none, or has another size.
    """
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(BytesIO(content), formats=("PNG",)) as picture:
            size, kind = picture.size, picture.mode
            if size[0] == size[1] and size[0] in sizes and kind in {"1", "L", "LA", "P", "RGB", "RGBA"}:
                black = Image.new("RGBA", size, (0, 0, 0, 255))
                return np.array(Image.alpha_composite(black, picture.convert("RGBA")).convert(mode))
    except PICTURE_ERRORS as error:
        raise UsageError(f"{what} can't be read as PNG ({error}); export again") from None
    raise UsageError(
        f"expected {what} with {' or '.join(f'{side}×{side}' for side in sizes)} pixels of 8 bits, "
        f"got {size[0]}×{size[1]} in mode {kind}; "
        "save it as it was"
    )


def _read_private(path: Path, limit: int) -> bytes:
    """An ordinary file of at most so many bytes; neither links nor pipes are followed."""
    try:
        with open_regular(path, follow_links=False) as file:
            content = file.read(limit + 1)
    except FileNotFoundError:
        raise UsageError(f"there is no {path}; export again") from None
    except MediaError as error:
        raise UsageError(f"{error}, or export again") from None
    except OSError as error:
        raise UsageError(f"{path} can't be read: {(error.strerror or str(error)).lower()}") from None
    if len(content) > limit:
        raise UsageError(f"expected at most {limit:,} bytes in {path}; export again, with fewer faces")
    return content


def _rounded(landmarks_xyz: Landmarks) -> list[list[float]]:
    rounded: list[list[float]] = np.round(landmarks_xyz.astype(np.float64), 2).tolist()
    return rounded


def _points_digest(points: Sequence[Sequence[float]]) -> str:
    return hashlib.sha256(np.round(np.array(points, np.float64) * 100).astype(np.int64).tobytes()).hexdigest()


def _digest(pixels: UInt8[np.ndarray, "..."]) -> str:
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()


def _grey(mask: Mask) -> UInt8[np.ndarray, "S S"]:
    return np.round(mask * 255).astype(np.uint8)


def encode_grey(grey: UInt8[np.ndarray, "S S"]) -> bytes:
    """A mask as PNG."""
    written, png = cv2.imencode(".png", grey)
    assert written
    return png.tobytes()
