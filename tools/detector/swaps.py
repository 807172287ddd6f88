"""Altered copies of the detector's footage: each clip as filmed, and with another face in it by several methods.

    python -m tools.detector.swaps

Real and altered are always of the same filmed clip, so that nothing but the alteration tells them apart. A person's
face comes from another person of the same group, training or test, so that no face is in both. Written clip by clip; it
goes on where it was, with what has been rendered meanwhile.
"""

import argparse
import io
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from countenance.bench.classical import ClassicalDrawer, warp_mesh
from countenance.capture.film import film_frames
from countenance.capture.presets import draw_capture
from countenance.composite.place import PlacedFace
from countenance.composite.swap import swap_faces
from countenance.drawing import Drawer, ReferenceFace, references_of
from countenance.model.guided.drawer import GuidedDrawer
from countenance.model.guided.sources import sources_of
from countenance.project import write_whole
from countenance.types import AlignedFace, Frame
from countenance.vision.align import cut, frame_to_crop, head_pose, mesh_in_crop
from countenance.vision.crops import fitting_size
from countenance.vision.landmarks import FaceFinder
from countenance.vision.mask import hull_in_crop
from countenance.vision.segment import Segmenter, choose_mask
from tools.detector.footage import SPAN, Footage, Frames, Person, default_folder, read_footage, rendered
from tools.detector.selfblend import SourceFace, self_blended, self_warped

Mesh = Float32[np.ndarray, "468 3"]
FRAME_RATE = Fraction(24)
SHARE_FILMED = 0.8
"""Of the clips; the others are as clean as they were rendered."""
GRAIN = 0.85
"""How grainy a face becomes beside its plate: a little less than all of it, as the product does."""
METHODS = ("base", "classical", "cloned", "self", "self again")
"""Of the shipped detector; `warped` is made where it is asked for."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Plate:
    """A filmed clip and where the face is in it."""

    frames: Frames
    meshes: list[Mesh | None]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Tools:
    """Nets that are opened once."""

    find: FaceFinder
    segmenter: Segmenter


def plate_of(person: Person, footage: Footage, tools: Tools) -> Plate:
    """The clip as somebody's camera recorded it, span by span, and the mesh in each frame."""
    rng = np.random.default_rng([person.seed, 91])
    frames = footage.clip
    if rng.random() < SHARE_FILMED:
        capture = draw_capture(person.seed)
        spans = [frames[first : first + SPAN] for first in range(0, len(frames), SPAN)]
        frames = np.stack([rgb for span in spans for rgb in film_frames(span, capture, frame_rate=FRAME_RATE)])
    return Plate(frames=frames, meshes=[_only_mesh(rgb, tools.find) for rgb in frames])


def _only_mesh(rgb: UInt8[np.ndarray, "H W 3"], find: FaceFinder) -> Mesh | None:
    faces = find(rgb)
    return faces[0].landmarks_xyz if len(faces) == 1 else None


def swapped(method: str, plate: Plate, own: Footage, likeness: Footage, tools: Tools, seed: int) -> Frames:
    """The plate with the likeness's face by a method; frames without a mesh stay as they are."""
    if method == "cloned":
        return cloned(plate, likeness, tools)
    if method.startswith("self"):
        return self_blended(plate.frames, plate.meshes, seed)
    if method == "warped":
        return self_warped(plate.frames, plate.meshes, source_faces(own.stills, tools.find), seed)
    drawer = _DRAWERS[method](own, likeness, tools)
    return composited(plate, drawer, tools)


def source_faces(pictures: Frames, find: FaceFinder) -> list[SourceFace]:
    """Those of some pictures that show one face, as sources of it."""
    found = [(rgb, _only_mesh(rgb, find)) for rgb in pictures]
    return [SourceFace(rgb=rgb, mesh=mesh) for rgb, mesh in found if mesh is not None]


def composited(plate: Plate, drawer: Drawer, tools: Tools) -> Frames:
    """A drawer's faces put in as the product does."""
    done: list[UInt8[np.ndarray, "S S 3"]] = []
    for first in range(0, len(plate.frames), SPAN):
        rgb, meshes = plate.frames[first : first + SPAN], plate.meshes[first : first + SPAN]
        frames = [
            Frame(pixels=pixels, index=index, pts=index, time_base=1 / FRAME_RATE) for index, pixels in enumerate(rgb)
        ]
        placed = {
            index: [PlacedFace(track=0, landmarks_xyz=mesh)] for index, mesh in enumerate(meshes) if mesh is not None
        }
        done += [frame.rgb for frame in swap_faces(frames, placed, drawer, tools.segmenter, grain=GRAIN)]
    return np.stack(done)


def cloned(plate: Plate, likeness: Footage, tools: Tools) -> Frames:
    """What tutorials do: one picture of the likeness, warped by its mesh and put in by Poisson cloning."""
    face = next(face for face in aligned_faces(likeness.stills, tools))
    crop = face[0].rgb
    done = []
    for rgb, mesh in zip(plate.frames, plate.meshes, strict=True):
        if mesh is None:
            done.append(rgb)
            continue
        source = cv2.resize(crop, rgb.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        scale = np.float32(rgb.shape[0] / len(crop))
        drawn, coverage = warp_mesh(np.asarray(source, np.uint8), face[1][:, :2] * scale, mesh)
        mask = cv2.erode((coverage > 0.5).astype(np.uint8) * 255, np.ones((5, 5), np.uint8))
        mask[[0, 1, -2, -1]], mask[:, [0, 1, -2, -1]] = 0, 0
        x, y, width, height = cv2.boundingRect(mask)
        if width < 8 or height < 8:
            done.append(rgb)
            continue
        centre = (x + width // 2, y + height // 2)
        over = np.where(mask[..., None] > 0, np.round(drawn * 255), rgb).astype(np.uint8)
        done.append(cv2.seamlessClone(over, rgb, mask, centre, cv2.NORMAL_CLONE))
    return np.stack(done)


def aligned_faces(frames: Frames, tools: Tools) -> Iterator[tuple[AlignedFace, Mesh]]:
    """Faces of a person's own frames, and their meshes in the crop."""
    for rgb in frames:
        mesh = _only_mesh(rgb, tools.find)
        if mesh is None:
            continue
        pose = head_pose(mesh)
        size = fitting_size(pose.crop_side_px)
        crop = cut(rgb, pose, size)
        hull = hull_in_crop(mesh, frame_to_crop(pose, size), size)
        (segments,) = tools.segmenter([crop], [hull])
        visible = np.asarray(choose_mask(segments, hull).mask, np.float32)
        face = AlignedFace(rgb=crop, mask=hull, visible=visible, frame_to_crop=frame_to_crop(pose, size))
        yield face, mesh_in_crop(mesh, pose, size)


def _references(frames: Frames, tools: Tools) -> list[ReferenceFace]:
    faces = []
    for face, mesh in aligned_faces(frames, tools):
        faces.append(
            ReferenceFace(
                rgb=face.rgb, mask=face.mask, visible=face.visible, landmarks_xyz=mesh, yaw_pitch_deg=_angles(mesh)
            )
        )
    return faces


def _angles(mesh: Mesh) -> tuple[float, float]:
    pose = head_pose(mesh)
    return pose.yaw_deg, pose.pitch_deg


def _base(own: Footage, likeness: Footage, tools: Tools) -> Drawer:
    both = [references_of(_references(footage.stills, tools)) for footage in (likeness, own)]
    return GuidedDrawer(sources_of(*both))


def _classical(own: Footage, likeness: Footage, tools: Tools) -> Drawer:
    theirs, mine = ([face for face, _ in aligned_faces(footage.stills, tools)] for footage in (likeness, own))
    return ClassicalDrawer(theirs, mine, tools.find)


_DRAWERS: dict[str, Callable[[Footage, Footage, Tools], Drawer]] = {"base": _base, "classical": _classical}


def partner_of(person: Person) -> Person:
    """Whose face a person gets: the next one of the same group, so that everybody gives and gets once."""
    number = person.number + 1
    while Person(number=number).is_for_tests != person.is_for_tests:
        number += 1
    return Person(number=number)


def swap_path(folder: Path, number: int, what: str) -> Path:
    """Of a clip in one form: `real`, or by a method."""
    return folder / f"{number:05}_{what}.npz"


def write_frames(path: Path, **arrays: np.ndarray) -> None:
    """Whole or not at all."""
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    write_whole(path, file.getvalue())


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--footage", type=Path, default=default_folder())
    parser.add_argument("--output", type=Path, default=default_folder().with_name("swaps"))
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--part", default="0/1")
    asked = parser.parse_args()
    part, of = (int(each) for each in asked.part.split("/"))
    asked.output.mkdir(parents=True, exist_ok=True)
    tools = Tools(find=FaceFinder(), segmenter=Segmenter())
    people = rendered(asked.footage)
    for person in people[part::of]:
        real = swap_path(asked.output, person.number, "real")
        own = None
        plate = None
        for what in ("real", *asked.methods.split(",")):
            path = swap_path(asked.output, person.number, what)
            if path.exists():
                continue
            own = own or read_footage(asked.footage, person.number)
            plate = plate or plate_of(person, own, tools)
            if what == "real":
                meshes = np.stack([np.full((468, 3), np.nan, np.float32) if m is None else m for m in plate.meshes])
                write_frames(real, frames=plate.frames, meshes=meshes)
                continue
            likeness = partner_of(person)
            if likeness not in people:
                continue
            theirs = read_footage(asked.footage, likeness.number)
            try:
                frames = swapped(what, plate, own, theirs, tools, person.seed + zlib.crc32(what.encode()))
            except (StopIteration, ValueError, IndexError) as error:
                print(person.number, what, "failed:", repr(error), flush=True)
                continue
            write_frames(path, frames=frames, likeness=np.array(likeness.number))
        print(person.number, flush=True)


if __name__ == "__main__":
    _main()
