"""List a plate's shots with what is set for them, and write their files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from countenance.composite.held import HeldFrame, read_held
from countenance.composite.shotfile import Shot, hold_frame, read_shots, shots_folder, write_template
from countenance.errors import UsageError
from countenance.footage import timeline_of
from countenance.media.probe import probe
from countenance.progress import Progress
from countenance.project import Project
from countenance.steps.guards import Guard
from countenance.types import MediaInfo, Permit


@dataclass(frozen=True, kw_only=True, slots=True)
class PlateShots:
    """A plate's shots, in order."""

    plate: MediaInfo
    folder: Path
    """Where their files lie, if there are any."""
    shots: tuple[Shot, ...]


def list_shots(project: Project, plate: Path, progress: Progress) -> PlateShots:
    """Find a plate's shots and read what is set for them. No face is looked at.

    Raises:
        MediaError: the plate can't be read.
        UsageError: a shot's file holds something that isn't allowed.
    """
    info = probe(plate)
    shots = read_shots(project, info, timeline_of(project, info, progress))
    return PlateShots(plate=info, folder=shots_folder(project, info), shots=tuple(shots))


def hold_frames(project: Project, plate: Path, permit: Permit, frames: Sequence[tuple[int, Path]]) -> list[HeldFrame]:
    """Keep frames that an artist painted or approved for the pair of a permit, by the plate's frame, in place of
    earlier ones.

    Raises:
        ConsentError: the permit doesn't hold.
        UsageError: one isn't a PNG of the plate's size, the plate has no such frame, or one is given twice; then none
            is kept.
        MediaError: one can't be read.
    """
    likeness, performer = permit.people
    pair = likeness, performer
    guard = Guard(project, permit, "generate", people=pair)
    info = probe(plate)
    guard.allow_plate(info)
    for number, (index, path) in enumerate(frames):
        read_held(path, index, info, pair)
        if index in {other for other, _ in frames[:number]}:
            raise UsageError(f"expected one picture of frame {index}, got several; leave out all but one")
    guard.check()
    return [hold_frame(project, info, index, path, pair) for index, path in frames]


def write_shots(project: Project, plate: Path, numbers: Sequence[int], progress: Progress) -> list[Path]:
    """Write a file, with every setting as a comment, for each of these shots.

    Raises:
        UsageError: there is no such shot, or it has a file; then none is written.
    """
    found = list_shots(project, plate, progress)
    by_number = {shot.number: shot for shot in found.shots}
    for number in numbers:
        if number not in by_number:
            raise UsageError(
                f"expected a shot from 1 to {len(found.shots)}, got {number}; leave out --write to list them"
            )
        if by_number[number].path.exists():
            path = by_number[number].path
            raise UsageError(
                f"{path} is there already; edit it, or delete it to begin anew", code="usage.exists", path=path
            )
    for number in numbers:
        write_template(project, found.plate, by_number[number])
    return [by_number[number].path for number in numbers]
