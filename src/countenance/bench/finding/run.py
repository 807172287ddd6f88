"""Measure `prepare` on clips whose truth is exact: what it finds, whose it is, how well mesh and mask sit.

Beside it: every frame looked at by itself, and the mesh's hull as the mask.
"""

import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32
from PIL import Image, ImageDraw, ImageFont

from countenance.bench.finding.footage import (
    CONDITIONS,
    OWNER,
    ClipSpec,
    FaceTruth,
    Footage,
    Labels,
    Rgb,
    footage_of,
    is_face,
    write_script,
)
from countenance.bench.production import TITLE, USE, opened_production, signed_release
from countenance.bench.table import NONE, markdown
from countenance.bench.truth import machine
from countenance.consent.permit import grant_prepare
from countenance.consent.register import add_release
from countenance.errors import FaceError
from countenance.faces.config import PrepareConfig
from countenance.faces.portrait import template_of
from countenance.faces.store import StoredFace, read_visible, stored_faces
from countenance.geometry import box_around, overlap, transform_points, warp
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.progress import Progress, Silent
from countenance.project import Project, create
from countenance.steps.collect import collect
from countenance.steps.prepare import prepare
from countenance.types import DetectedFace, Frame
from countenance.vision.align import frame_to_crop, head_pose
from countenance.vision.crops import CROP_SIZE
from countenance.vision.landmarks import FaceFinder
from countenance.vision.mask import face_mask
from countenance.vision.parts import Part
from countenance.vision.track import FaceFollower

PERSON = "person"
NEEDED_SHOWN = 0.5
"""A face less than half of which is seen need not be found."""
NEEDED_OVERLAP = 0.5
SAME_FACE = 0.5
"""A mesh that lies further from a face, in distances between the eyes, isn't on it."""
MASK = 0.5
Covering = Literal["in front", "glasses", "hair"]
"""What hides a face: hands, things and other people; the own glasses; the own hair."""
COVERING: tuple[Covering, ...] = get_args(Covering)
FIVE_POINTS: Mapping[str, tuple[int, ...]] = {
    "left eye": (33, 133),
    "right eye": (362, 263),
    "nose": (4,),
    "mouth, left": (61,),
    "mouth, right": (291,),
}
"""The five points: means of these of the mesh."""
BANDS_DEG = ((0, 20), (20, 40), (40, 60), (60, 75))

Mask = Bool[np.ndarray, "S S"]
Points = Float32[np.ndarray, "468 2"]
Result = TypeVar("Result")
Face = TypeVar("Face", StoredFace, DetectedFace)


@dataclass(frozen=True, kw_only=True, slots=True)
class MaskMeasures:
    """How well a mask fits the face that is seen in a crop."""

    iou: float
    """Of all that shows the face; stubble below the true mesh's hull counts neither way."""
    skin_iou: float
    """Without brows, eyes, lips, mouth and beard, which count neither way."""
    covering_px: Mapping[Covering, tuple[int, int]]
    """Of each thing that hides a part of the true mesh's hull: its pixels there, and how many the mask leaves out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FaceMeasures:
    """What became of one true face of the person. Distances are in % of that between the eyes' outer corners."""

    frame: int
    yaw_deg: float
    shown: float
    """0–1: part of the face that nothing hides and that lies in the frame."""
    is_stored: bool
    is_kept: bool
    is_found_alone: bool
    """When every frame is looked at by itself; so are the others with this name."""
    mesh_pct: float | None
    """Mean distance of the mesh's points on the side that is seen from where they are; only if it was found."""
    five_pct: float | None
    """The same of eyes, nose and corners of the mouth."""
    mesh_alone_pct: float | None
    jitter_pct: float | None
    """Mean second difference, over three frames, of the same points' errors."""
    jitter_alone_pct: float | None
    mask: MaskMeasures | None
    """Only of faces that are stored with a picture."""
    hull: MaskMeasures | None
    """Of the same faces with the mesh's hull as mask."""
    mask_origin: str | None

    @property
    def is_due(self) -> bool:
        """Whether enough of it is seen that it must be found."""
        return self.shown >= NEEDED_SHOWN


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipMeasures:
    """One clip; seconds are processor time."""

    name: str
    condition: str
    num_frames: int
    faces: tuple[FaceMeasures, ...]
    num_wrong_kept: int
    """Stored faces that lie on somebody else: kept, waiting for a review, or left out for another reason."""
    num_wrong_unsure: int
    num_wrong_left_out: int
    num_false: int
    """Finds where there is no face, while following; and when frames are looked at by themselves."""
    num_false_alone: int
    prepare_s: float
    following_s: float
    """Finding and following alone, without recognising, masks and storing."""
    alone_s: float


# One face.


def whose(landmarks_xy: Points, faces: Mapping[int, FaceTruth]) -> int | None:
    """On whose face a mesh lies; none if on nobody's."""
    distances = {
        who: float(np.linalg.norm(landmarks_xy - face.landmarks_xy, axis=1).mean()) / face.eyes_px
        for who, face in faces.items()
    }
    nearest = min(distances, key=lambda who: distances[who], default=None)
    return nearest if nearest is not None and distances[nearest] < SAME_FACE else None


def is_found(landmarks_xy: Points, who: int, faces: Mapping[int, FaceTruth]) -> bool:
    """Whether a mesh counts as the find of a face: it lies on it, and the boxes overlap."""
    return (
        whose(landmarks_xy, faces) == who
        and overlap(box_around(landmarks_xy), box_around(faces[who].landmarks_xy)) >= NEEDED_OVERLAP
    )


def mesh_error_pct(landmarks_xy: Points, face: FaceTruth) -> float:
    """Mean distance of the points that are seen, in % of the distance between the eyes."""
    distances = np.linalg.norm(landmarks_xy - face.landmarks_xy, axis=1)
    return float(100 * distances[face.is_seen].mean() / face.eyes_px)


def five_points_error_pct(landmarks_xy: Points, face: FaceTruth) -> float:
    """The same of eyes, nose and corners of the mouth, seen or not."""
    errors = [
        np.linalg.norm((landmarks_xy[list(rows)] - face.landmarks_xy[list(rows)]).mean(axis=0))
        for rows in FIVE_POINTS.values()
    ]
    return float(100 * np.mean(errors) / face.eyes_px)


def jitter_pct(errors_xy: Sequence[Points], face: FaceTruth) -> float:
    """Second difference of three successive errors, in % of the distance between the eyes; zero for a steady one."""
    before, now, after = errors_xy
    bend = np.linalg.norm(before - 2 * now + after, axis=1)
    return float(100 * bend[face.is_seen].mean() / face.eyes_px)


def measure_mask(
    mask: Mask, owners: Labels, who: int, true_xy: Points, to_crop: Float[np.ndarray, "2 3"]
) -> MaskMeasures:
    """Compare a mask in a crop with the exact one; `true_xy` are the true landmarks in the frame."""
    side = len(mask)

    def in_crop(where: Bool[np.ndarray, "H W"]) -> Mask:
        # Moved softly and cut in the middle, so that a small face's edge isn't made of squares.
        return np.asarray(cv2.warpAffine(where.astype(np.float32), to_crop, (side, side)) > 0.5)

    owner, part = owners // OWNER, owners % OWNER
    own = owner == who + 1
    hides: dict[Covering, Bool[np.ndarray, "H W"]] = {
        "in front": ((owner > 0) & ~own) | (own & (part == Part.OCCLUDER)),
        "glasses": own & (part == Part.GLASSES),
        "hair": own & (part == Part.HAIR),
    }
    inside = face_mask(transform_points(to_crop, true_xy), (side, side)) > MASK
    face, skin = in_crop(is_face(owners, who)), in_crop(own & (part == Part.SKIN))
    counted = ~(in_crop(own & (part == Part.BEARD)) & ~inside)
    covering = {name: in_crop(where) & inside & ~face for name, where in hides.items()}
    return MaskMeasures(
        iou=_iou(mask & counted, face & counted),
        skin_iou=_iou(mask & (skin | ~face), skin),
        covering_px={name: (int(where.sum()), int((where & ~mask).sum())) for name, where in covering.items()},
    )


def _iou(one: Mask, other: Mask) -> float:
    return float((one & other).sum() / max((one | other).sum(), 1))


# One clip.


def measure_clip(footage: Footage) -> tuple[ClipMeasures, list[Rgb]]:
    """Prepare a clip in a project of its own and compare with its truth; tiles of some faces to look at."""
    frames = list(read_frames(probe(footage.clip)))
    shots = frozenset([0, *accumulate(shot.num_frames for shot in write_script(footage.spec).scene.shots)])
    followed, following_s = _timed(lambda: [list(faces.values()) for _, faces in FaceFollower()(frames, shots)])
    find_alone = FaceFinder()
    alone, alone_s = _timed(lambda: [find_alone(frame.rgb) for frame in frames])
    with tempfile.TemporaryDirectory() as folder:
        create(Path(folder) / "project", use=USE, title=TITLE)
        with opened_production(Path(folder)) as project:
            add_release(
                project, signed_release(PERSON, "likeness", footage.reference, Path(folder) / "documents"), template_of
            )
            collect(project, PERSON, [footage.clip], progress=Silent())
            _, prepare_s = _timed(lambda: _prepare(project))
            stored: list[list[StoredFace]] = [[] for _ in frames]
            for row in stored_faces(project, PERSON):
                stored[row.frame].append(row)
            truth = footage.faces()
            faces = _measure_faces(project, footage, truth, stored, alone, shots)
            tiles = _tiles(project, footage, truth, stored, frames)
    num_wrong_kept, num_wrong_unsure, num_wrong_left_out = count_wrong(stored, truth)
    return ClipMeasures(
        name=footage.spec.name,
        condition=footage.spec.condition,
        num_frames=len(frames),
        faces=faces,
        num_wrong_kept=num_wrong_kept,
        num_wrong_unsure=num_wrong_unsure,
        num_wrong_left_out=num_wrong_left_out,
        num_false=_num_false(followed, truth),
        num_false_alone=_num_false(alone, truth),
        prepare_s=prepare_s,
        following_s=following_s,
        alone_s=alone_s,
    ), tiles


def count_wrong(
    stored: Sequence[Sequence[StoredFace]], truth: Sequence[Mapping[int, FaceTruth]]
) -> tuple[int, int, int]:
    """Faces stored as the person's that lie on somebody else: kept, waiting for a review, left out otherwise."""
    wrong = [
        row
        for rows, known in zip(stored, truth, strict=True)
        for row in rows
        if whose(_xy(row), known) not in (0, None)
    ]
    num_kept = sum(not row.rejections for row in wrong)
    num_unsure = sum("unsure who" in row.rejections for row in wrong)
    return num_kept, num_unsure, len(wrong) - num_kept - num_unsure


def _timed(work: Callable[[], Result]) -> tuple[Result, float]:
    begun = time.process_time()
    result = work()
    return result, time.process_time() - begun


def _prepare(project: Project) -> None:
    # Nothing may be worth keeping, as in a clip without anybody: what was stored all the same is what is measured.
    with suppress(FaceError):
        prepare(project, PERSON, grant_prepare(project, PERSON), PrepareConfig(threads=1), progress=Silent())


def _measure_faces(
    project: Project,
    footage: Footage,
    truth: Sequence[Mapping[int, FaceTruth]],
    stored: Sequence[Sequence[StoredFace]],
    alone: Sequence[Sequence[DetectedFace]],
    shots: frozenset[int],
) -> tuple[FaceMeasures, ...]:
    rows = [_find_of(each, known) for each, known in zip(stored, truth, strict=True)]
    meshes = [None if row is None else _xy(row) for row in rows]
    found_alone = [_find_of(each, known) for each, known in zip(alone, truth, strict=True)]
    meshes_alone = [None if face is None else _xy(face) for face in found_alone]
    measured = []
    for index, known in enumerate(truth):
        if 0 not in known:
            continue
        face, row, owners = known[0], rows[index], footage.owners(index)
        mesh, mesh_alone = meshes[index], meshes_alone[index]
        masks: tuple[MaskMeasures | None, MaskMeasures | None] = (None, None)
        if row is not None and row.has_crop:
            masks = _masks(project, row, owners, face)
        measured.append(
            FaceMeasures(
                frame=index,
                yaw_deg=face.yaw_deg,
                shown=float(is_face(owners, 0).sum()) / max(face.face_px, 1),
                is_stored=row is not None,
                is_kept=row is not None and not row.rejections,
                is_found_alone=mesh_alone is not None,
                mesh_pct=None if mesh is None else mesh_error_pct(mesh, face),
                five_pct=None if mesh is None else five_points_error_pct(mesh, face),
                mesh_alone_pct=None if mesh_alone is None else mesh_error_pct(mesh_alone, face),
                jitter_pct=_jitter_at(index, meshes, truth, shots),
                jitter_alone_pct=_jitter_at(index, meshes_alone, truth, shots),
                mask=masks[0],
                hull=masks[1],
                mask_origin=None if row is None else row.mask_origin,
            )
        )
    return tuple(measured)


def _xy(face: StoredFace | DetectedFace) -> Points:
    return face.landmarks_xyz[:, :2]


def _find_of(found: Sequence[Face], known: Mapping[int, FaceTruth]) -> Face | None:
    """The find of the person's face in a frame; the nearest if there are several."""
    finds = [face for face in found if 0 in known and is_found(_xy(face), 0, known)]
    return min(finds, key=lambda face: mesh_error_pct(_xy(face), known[0]), default=None)


def _jitter_at(
    index: int, meshes: Sequence[Points | None], truth: Sequence[Mapping[int, FaceTruth]], shots: frozenset[int]
) -> float | None:
    """Where three frames of one shot have the face and its mesh."""
    if not 0 < index < len(meshes) - 1 or index in shots or index + 1 in shots:
        return None
    errors = []
    for at in (index - 1, index, index + 1):
        mesh = meshes[at]
        if mesh is None:
            return None
        errors.append(mesh - truth[at][0].landmarks_xy)
    return jitter_pct(errors, truth[index][0])


def _masks(project: Project, row: StoredFace, owners: Labels, face: FaceTruth) -> tuple[MaskMeasures, MaskMeasures]:
    to_crop = _to_crop(row)
    hull = face_mask(transform_points(to_crop, _xy(row)), (CROP_SIZE, CROP_SIZE)) > MASK
    visible = read_visible(project, row.id) > MASK
    one, other = (measure_mask(mask, owners, 0, face.landmarks_xy, to_crop) for mask in (visible, hull))
    return one, other


def _to_crop(row: StoredFace) -> Float32[np.ndarray, "2 3"]:
    return frame_to_crop(head_pose(row.landmarks_xyz), CROP_SIZE)


def _num_false(found: Iterable[Sequence[DetectedFace]], truth: Sequence[Mapping[int, FaceTruth]]) -> int:
    return sum(whose(_xy(face), known) is None for faces, known in zip(found, truth, strict=True) for face in faces)


# All clips.


def run_prepare(clips: Sequence[ClipSpec], output: Path, progress: Progress) -> dict[str, Any]:
    """Measure all clips, and leave a contact sheet for each condition in `output`; clips are rendered once."""
    output.mkdir(parents=True, exist_ok=True)
    footages = [footage_of(spec, progress) for spec in clips]
    measured, tiles = [], dict[str, list[Rgb]]()
    for footage in progress.track(footages, what="preparing and comparing", unit="clips", total=len(footages)):
        measures, shown = measure_clip(footage)
        measured.append(measures)
        tiles.setdefault(footage.spec.condition, []).extend(shown)
        _write_sheet(output / f"sheet-{footage.spec.condition}.jpg", tiles[footage.spec.condition])
    return {"machine": machine(), "clips": [asdict(each) for each in measured]}


Row = Mapping[str, Any]
"""Of the results: a clip's measures, or a face's, as JSON has them."""


def document(results: Row, command: str) -> str:
    """What was asked and what was reached, then all figures by condition, by yaw, and side by side; Markdown."""
    clips = results["clips"]
    num_frames = sum(clip["num_frames"] for clip in clips)
    facts = results["machine"]
    return "\n".join(
        [
            f"`{command}` · {len(clips)} clips, {num_frames} frames of 1280 × 720 px · "
            f"{facts['processor']}, one thread; torch {facts['torch']}",
            "",
            claims_table(clips),
            "",
            "By condition:",
            "",
            condition_table(clips),
            "",
            "By how far the head is turned, over all clips:",
            "",
            yaw_table(clips),
            "",
            "Side by side with every frame looked at by itself, and with the mesh's hull as mask:",
            "",
            side_by_side_table(clips),
            "",
        ]
    )


def claims_table(clips: Sequence[Row]) -> str:
    """What was asked, in one place."""
    faces = [face for clip in clips for face in clip["faces"]]
    wrong = [sum(clip[f"num_wrong_{what}"] for clip in clips) for what in ("kept", "unsure", "left_out")]
    covering = {name: _left_out(faces, "mask", [name]) for name in COVERING}
    lines = [
        ("recall to 60° of yaw", "≥ 98%", _percent(_recall(faces, 60, "is_stored"))),
        ("somebody else's face stored", "none", "{} kept, {} unsure, {} left out".format(*wrong)),
        ("mean landmark error", "≤ 3%", _number(_mean(faces, "mesh_pct"), 2, "%")),
        ("mask IoU, face skin", "≥ .95", _fraction(_mean_mask(faces, "mask", "skin_iou"))),
        ("found of what hides a face", "≥ .85", _fraction(_left_out(faces, "mask", COVERING))),
        *((f"· {name}", "", _fraction(part)) for name, part in covering.items()),
    ]
    return markdown(("measure", "asked", "reached"), lines)


def condition_table(clips: Sequence[Row]) -> str:
    """All figures of `prepare`."""
    heading = (
        "condition",
        "faces",
        "recall to 60°",
        "to 75°",
        "kept",
        "false finds",
        "wrong person",
        "landmarks",
        "5 points",
        "mask IoU",
        "skin IoU",
        *COVERING,
        "hull masks",
    )
    lines = []
    for name, chosen in _by_condition(clips):
        faces = [face for clip in chosen for face in clip["faces"]]
        due = [face for face in faces if face["shown"] >= NEEDED_SHOWN]
        wrong = "/".join(
            str(sum(clip[f"num_wrong_{what}"] for clip in chosen)) for what in ("kept", "unsure", "left_out")
        )
        lines.append(
            (
                name,
                str(len(due)),
                _percent(_recall(faces, 60, "is_stored")),
                _percent(_recall(faces, 75, "is_stored")),
                str(sum(face["is_kept"] for face in faces)),
                str(sum(clip["num_false"] for clip in chosen)),
                wrong,
                _number(_mean(faces, "mesh_pct"), 2, "%"),
                _number(_mean(faces, "five_pct"), 2, "%"),
                _fraction(_mean_mask(faces, "mask", "iou")),
                _fraction(_mean_mask(faces, "mask", "skin_iou")),
                *(_fraction(_left_out(faces, "mask", [what])) for what in COVERING),
                str(sum(face["mask_origin"] == "hull" for face in faces)),
            )
        )
    return markdown(heading, lines)


def yaw_table(clips: Sequence[Row]) -> str:
    """The same faces by bands of yaw."""
    heading = ("yaw", "faces", "recall", "alone", "landmarks", "mask IoU", "skin IoU", "hull IoU")
    lines = []
    for low, high in BANDS_DEG:
        faces = [face for clip in clips for face in clip["faces"] if low <= abs(face["yaw_deg"]) < high]
        lines.append(
            (
                f"{low}–{high}°",
                str(sum(face["shown"] >= NEEDED_SHOWN for face in faces)),
                _percent(_recall(faces, 180, "is_stored")),
                _percent(_recall(faces, 180, "is_found_alone")),
                _number(_mean(faces, "mesh_pct"), 2, "%"),
                _fraction(_mean_mask(faces, "mask", "iou")),
                _fraction(_mean_mask(faces, "mask", "skin_iou")),
                _fraction(_mean_mask(faces, "hull", "iou")),
            )
        )
    return markdown(heading, lines)


def side_by_side_table(clips: Sequence[Row]) -> str:
    """Each cell: `prepare`, then the plain way."""
    heading = (
        "condition",
        "recall to 60°",
        "to 75°",
        "landmarks",
        "jitter",
        "false finds",
        "CPU-ms a frame",
        "all of prepare",
        "mask IoU",
        "skin IoU",
        "in front",
    )
    lines = []
    for name, chosen in _by_condition(clips):
        faces = [face for clip in chosen for face in clip["faces"]]
        num_frames = sum(clip["num_frames"] for clip in chosen)
        pairs = [
            *(
                (_percent(_recall(faces, limit, "is_stored")), _percent(_recall(faces, limit, "is_found_alone")))
                for limit in (60, 75)
            ),
            *(
                (_number(_mean(faces, f"{what}_pct"), 2, "%"), _number(_mean(faces, f"{what}_alone_pct"), 2, "%"))
                for what in ("mesh", "jitter")
            ),
            tuple(str(sum(clip[what] for clip in chosen)) for what in ("num_false", "num_false_alone")),
            tuple(
                _number(1000 * sum(clip[what] for clip in chosen) / num_frames, 0)
                for what in ("following_s", "alone_s")
            ),
        ]
        masks = [
            *(
                tuple(_fraction(_mean_mask(faces, which, what)) for which in ("mask", "hull"))
                for what in ("iou", "skin_iou")
            ),
            tuple(_fraction(_left_out(faces, which, ["in front"])) for which in ("mask", "hull")),
        ]
        whole = _number(1000 * sum(clip["prepare_s"] for clip in chosen) / num_frames, 0)
        lines.append((name, *map(" · ".join, pairs), whole, *map(" · ".join, masks)))
    return markdown(heading, lines)


def _by_condition(clips: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    groups = [(name, [clip for clip in clips if clip["condition"] == name]) for name in CONDITIONS]
    return [*((name, chosen) for name, chosen in groups if chosen), ("all", list(clips))]


def _recall(faces: Sequence[Row], max_yaw_deg: float, found: str) -> float | None:
    due = [face for face in faces if face["shown"] >= NEEDED_SHOWN and abs(face["yaw_deg"]) <= max_yaw_deg]
    return sum(face[found] for face in due) / len(due) if due else None


def _mean(faces: Sequence[Row], name: str) -> float | None:
    """Over the faces that must be found and were."""
    values = [face[name] for face in faces if face["shown"] >= NEEDED_SHOWN and face[name] is not None]
    return float(np.mean(values)) if values else None


def _mean_mask(faces: Sequence[Row], which: str, name: str) -> float | None:
    values = [face[which][name] for face in faces if face["shown"] >= NEEDED_SHOWN and face[which] is not None]
    return float(np.mean(values)) if values else None


def _left_out(faces: Sequence[Row], which: str, names: Iterable[str]) -> float | None:
    """Part of all covering pixels, of all faces together, that the masks leave out."""
    pairs = [face[which]["covering_px"][name] for face in faces if face[which] is not None for name in names]
    total = sum(pixels for pixels, _ in pairs)
    return sum(out for _, out in pairs) / total if total else None


def _percent(part: float | None) -> str:
    return NONE if part is None else f"{100 * part:.1f}%"


def _fraction(value: float | None) -> str:
    return NONE if value is None else f"{value:.3f}".removeprefix("0")


def _number(value: float | None, decimals: int, unit: str = "") -> str:
    return NONE if value is None else f"{value:.{decimals}f}{unit}"


# Sheets.

TILE_PX, TILES_A_CLIP, TILES_A_ROW, CAPTION_PX = 256, 12, 6, 20
BACKGROUND, INK = (20, 20, 22), (240, 240, 240)
MASK_RGB, TRUTH_RGB, MISSED_RGB = (255, 60, 150), (80, 230, 120), (255, 200, 40)


def _tiles(
    project: Project,
    footage: Footage,
    truth: Sequence[Mapping[int, FaceTruth]],
    stored: Sequence[Sequence[StoredFace]],
    frames: Sequence[Frame],
) -> list[Rgb]:
    """Faces spread over a clip, with the outlines of mask and truth; those that weren't found in another colour."""
    shown = [index for index, known in enumerate(truth) if 0 in known]
    chosen = sorted(
        {shown[i] for i in np.linspace(0, len(shown) - 1, TILES_A_CLIP).round().astype(int)} if shown else ()
    )
    tiles = []
    for index in chosen:
        face, rgb, owners = truth[index][0], frames[index].rgb, footage.owners(index)
        row = _find_of(stored[index], truth[index])
        to_crop = _around(face) if row is None else _to_crop(row)
        picture = warp(rgb, to_crop, (CROP_SIZE, CROP_SIZE))
        exact = cv2.warpAffine(is_face(owners, 0).astype(np.float32), to_crop, (CROP_SIZE, CROP_SIZE)) > 0.5
        _outline(picture, exact, TRUTH_RGB if row is not None else MISSED_RGB)
        said = f"{footage.spec.name} · {index} · {face.yaw_deg:.0f}°"
        if row is not None and row.has_crop:
            mask = read_visible(project, row.id) > MASK
            _outline(picture, mask, MASK_RGB)
            said += f" · IoU {_fraction(_iou(mask, exact))}"
        said += " · missed" if row is None else f" · {', '.join(row.rejections) or 'kept'}"
        tiles.append(_captioned(picture, said))
    return tiles


def _around(face: FaceTruth) -> Float32[np.ndarray, "2 3"]:
    """A crop for a face that has no mesh."""
    low, high = face.landmarks_xy.min(axis=0), face.landmarks_xy.max(axis=0)
    scale = CROP_SIZE / (1.6 * float((high - low).max()))
    return np.column_stack([scale * np.eye(2), CROP_SIZE / 2 - scale * (low + high) / 2]).astype(np.float32)


def _outline(picture: Rgb, mask: Mask, rgb: tuple[int, int, int]) -> None:
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, contours, -1, rgb, 1)


def _captioned(picture: Rgb, text: str) -> Rgb:
    strip = Image.new("RGB", (picture.shape[1], CAPTION_PX), BACKGROUND)
    font = ImageFont.load_default(size=11)
    ImageDraw.Draw(strip).text((4, CAPTION_PX // 2), text, fill=INK, font=font, anchor="lm")
    return np.vstack([picture, np.asarray(strip)])


def _write_sheet(path: Path, tiles: Sequence[Rgb]) -> None:
    """Nothing for clips without the person."""
    if not tiles:
        return
    empty: Rgb = np.full_like(tiles[0], BACKGROUND[0])
    padded = [*tiles, *[empty] * (-len(tiles) % TILES_A_ROW)]
    rows = [np.hstack(padded[begin : begin + TILES_A_ROW]) for begin in range(0, len(padded), TILES_A_ROW)]
    Image.fromarray(np.vstack(rows)).save(path, quality=88)
