"""List a plate's shots with what is set for them, and write their files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from countenance.composite.held import HeldFrame, read_held
from countenance.composite.shotfile import (
    Shot,
    check_names,
    hold_frame,
    moved_table,
    read_shots,
    settings_of,
    shots_folder,
    table_of,
    write_template,
)
from countenance.composite.shotfile import set_shot as write_settings
from countenance.consent.register import templates
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
    return shots_of(project, probe(plate), progress)


def shots_of(project: Project, plate: MediaInfo, progress: Progress) -> PlateShots:
    """The same of a plate that was probed.

    Raises:
        MediaError: the plate can't be read.
        UsageError: a shot's file holds something that isn't allowed.
    """
    shots = read_shots(project, plate, timeline_of(project, plate, progress))
    return PlateShots(plate=plate, folder=shots_folder(project, plate), shots=tuple(shots))


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
    by_number = {number: _shot(found, number) for number in numbers}
    for number in numbers:
        if by_number[number].path.exists():
            path = by_number[number].path
            raise UsageError(
                f"{path} is there already; edit it, or delete it to begin anew", code="usage.exists", path=path
            )
    for number in numbers:
        write_template(project, found.plate, by_number[number])
    return [by_number[number].path for number in numbers]


def set_shot(
    project: Project,
    plate: MediaInfo,
    number: int,
    table: Mapping[str, Any],
    progress: Progress,
    *,
    was: Mapping[str, Any] | None = None,
) -> Shot:
    """Write what is set for a shot into its file, in place of what was set there; returns it as it is read again.

    `table` has values, or tables of values at moments, as the file has them; what it doesn't name is as in the project.
    `was` is what whoever changes it was shown; without it, whatever is there is replaced.

    Raises:
        UsageError: there is no such shot, something isn't allowed, or the file holds something else than `was`; then
            nothing is written.
        MediaError: the plate can't be read.
    """
    found = shots_of(project, plate, progress)
    shot, timeline = _shot(found, number), timeline_of(project, plate, progress)
    tried = settings_of(project, plate, timeline, shot, table)
    check_names([replace(shot, settings=tried)], sorted(templates(project)))
    if was is not None:
        _check_shown([shot], {number: was})
    write_settings(project, plate, timeline, shot, table)
    return replace(shot, settings=tried)


def copy_settings(
    project: Project,
    plate: MediaInfo,
    number: int,
    others: Sequence[int],
    progress: Progress,
    *,
    was: Mapping[int, Mapping[str, Any]] | None = None,
) -> list[Shot]:
    """Set other shots as one of them is set; keys keep their distance from their shot's beginning.

    `was` is what whoever copies was shown of each shot that has something set; without it, whatever is there is
    replaced.

    Raises:
        UsageError: there is no such shot, or a file holds something else than `was`; then nothing is written.
        MediaError: the plate can't be read.
    """
    found, timeline = shots_of(project, plate, progress), timeline_of(project, plate, progress)
    shot = _shot(found, number)
    table = table_of(shot)
    set_anew = [_shot(found, other) for other in others if other != number]
    if was is not None:
        _check_shown([shot, *set_anew], was)
    for other in set_anew:
        write_settings(project, plate, timeline, other, moved_table(plate, timeline, shot, table, other))
    return set_anew


def _check_shown(shots: Sequence[Shot], was: Mapping[int, Mapping[str, Any]]) -> None:
    for shot in shots:
        if table_of(shot) != was.get(shot.number, {}):
            raise UsageError(f"shot {shot.number} was changed elsewhere meanwhile; load the page again")


def _shot(found: PlateShots, number: int) -> Shot:
    if not 1 <= number <= len(found.shots):
        raise UsageError(
            f"expected a shot from 1 to {len(found.shots)}, got {number}; `countenance shots "
            f"{found.plate.path.name}` lists them"
        )
    return found.shots[number - 1]
