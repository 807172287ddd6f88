"""The small files in which an artist sets a plate's shots: `shots/NAME-DIGEST/0003.toml`, one for each shot.

The folder is named by the plate's file and content, so that two plates of one name have one each. A setting has one
value, or values at moments, by frames of the plate, counted from 0, or by seconds:
`sharpness = { 120 = 0.0, "7.5 s" = 0.4 }`.
"""

import json
import re
import shutil
import tomllib
from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from countenance.composite.held import HeldFrame, read_held
from countenance.composite.shot import ALL, AS_DRAWN, KEYED, NOBODY, SECTION, ShotConfig, ShotSettings
from countenance.config import describe_settings, read_config
from countenance.errors import UsageError
from countenance.media.excerpt import begins_s, shot_ranges
from countenance.media.timeline import Timeline
from countenance.project import PRIVATE, SETTINGS_NAME, Project, refuse_link, write_whole
from countenance.types import MediaInfo

ROOM = "shots"
SHOWN_STEP_S = 0.005
"""Half of the last digit in which `countenance shots` shows when a shot begins and ends."""
HELD = "held"
"""Folder beside the shots' files for the frames that an artist painted or approved, by likeness, performer and the
plate's frames, counted from 0: `held/dana/kim/000130.png`."""
MAX_BYTES = 2**16
_WHO = re.compile(r"""(\bwho\s*=\s*)(["'])([^"'\n]*)\2""")
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)\s*s", re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class Shot:
    """A shot of a plate, and what is set for it."""

    number: int
    """From 1."""
    frames: range
    begins_s: float
    ends_s: float
    path: Path
    """Of its file, whether it exists or not."""
    settings: ShotSettings
    held: tuple[HeldFrame, ...] = ()
    """Those frames that an artist painted or approved."""

    @property
    def changed(self) -> dict[str, str]:
        """What differs from the defaults, by name, in words."""
        if self.settings == ShotSettings():
            return {}
        base, keys = self.settings.base, self.settings.keys
        values = {each.name: getattr(base, each.name) for each in fields(ShotConfig)}
        words = {name: f"{value:g}" if isinstance(value, float) else str(value) for name, value in values.items()}
        for name, keyed in keys.items():
            words[name] = " → ".join(f"{value:g} at {time:.2f} s" for time, value in keyed)
        return {name: word for name, word in words.items() if name in keys or values[name] != getattr(AS_DRAWN, name)}


def read_shots(
    project: Project,
    plate: MediaInfo,
    timeline: Timeline,
    changes: Sequence[str] = (),
    pairs: Collection[tuple[str, str]] | None = None,
) -> list[Shot]:
    """All shots of a plate with their settings: those of the project, then of the shot's file, then `shot.key=value`.

    Held frames are those of some likenesses and performers, or of all.

    Raises:
        UsageError: a file can't be read, or a setting isn't allowed; names file and setting. Or a held frame isn't of
            the plate.
        MediaError: a held frame can't be read.
    """
    folder = shots_folder(project, plate)
    ranges = shot_ranges(timeline)
    paths = _files(folder, len(ranges), plate)
    held = [
        frame
        for pair, pictures in _held_folders(folder)
        if pairs is None or pair in pairs
        for frame in _held_frames(pictures, plate, pair)
    ]
    base = read_config(ShotConfig, SECTION, project.settings, changes)
    shots = []
    for number, frames in enumerate(ranges, 1):
        path = paths.get(number, folder / f"{number:04}.toml")
        settings = ShotSettings(base=base)
        if number in paths:
            settings = _read(path, plate, timeline, frames, base, changes)
        begin, end = (float(begins_s(plate, timeline, frame)) for frame in (frames.start, frames.stop))
        shots.append(
            Shot(
                number=number,
                frames=frames,
                begins_s=begin,
                ends_s=end,
                path=path,
                settings=settings,
                held=tuple(sorted((each for each in held if each.index in frames), key=lambda each: each.index)),
            )
        )
    return shots


def shots_folder(project: Project, plate: MediaInfo) -> Path:
    """Where the files of a plate's shots lie, whether they exist or not.

    Raises:
        UsageError: the project's folder for them is a link.
    """
    name = re.sub(r"[^\w.-]+", "_", plate.path.stem) or "plate"
    return refuse_link(project.folder / ROOM) / f"{name}-{plate.sha256[:8]}"


def hold_frame(project: Project, plate: MediaInfo, index: int, path: Path, pair: tuple[str, str]) -> HeldFrame:
    """Copy an artist's frame to where those of a plate and a pair lie, in place of an earlier one.

    Raises:
        UsageError: it is no picture of the plate's size, the plate has no such frame, or a folder is a link.
        MediaError: it can't be read.
    """
    read_held(path, index, plate, pair)
    project.room(ROOM)
    folder = shots_folder(project, plate)
    for each in (folder, folder / HELD, folder / HELD / pair[0], folder.joinpath(HELD, *pair)):
        refuse_link(each).mkdir(mode=0o700, exist_ok=True)
    folder = folder.joinpath(HELD, *pair)
    # What a killed command left.
    for part in folder.glob(".*.png.*"):
        part.unlink()
    kept = folder / f"{index:06}.png"
    write_whole(kept, path.read_bytes(), mode=PRIVATE)
    for other in folder.glob("*.png"):
        if other != kept and re.fullmatch(r"\d+", other.stem, re.ASCII) and int(other.stem) == index:
            other.unlink()
    return read_held(kept, index, plate, pair)


def held_pairs(project: Project) -> list[tuple[str, str]]:
    """The likenesses and performers of whom an artist's frames are kept, of any plate.

    Raises:
        UsageError: a folder is a link.
    """
    folders = refuse_link(project.folder / ROOM).glob("*/")
    return sorted({pair for folder in folders for pair, _ in _held_folders(folder)})


def forget_held(project: Project, likeness: str, performer: str) -> None:
    """Remove the frames that an artist gave of two people, of all plates.

    Raises:
        UsageError: a folder is a link.
    """
    for folder in refuse_link(project.folder / ROOM).glob("*/"):
        for pair, pictures in _held_folders(folder):
            if pair == (likeness, performer):
                shutil.rmtree(pictures, ignore_errors=True)


def held_folders_of(project: Project, person: str, plates: Collection[str]) -> list[Path]:
    """Where artists' frames lie that show a person: those of a pair of theirs, and, because they are whole pictures,
    those of all pairs in plates, by SHA-256, in which they had a part.

    Raises:
        UsageError: a folder is a link.
    """
    ends = tuple(f"-{sha256[:8]}" for sha256 in plates)
    return [
        pictures
        for folder in sorted(refuse_link(project.folder / ROOM).glob("*/"))
        for pair, pictures in _held_folders(folder)
        if person in pair or folder.name.endswith(ends)
    ]


def erase_name(project: Project, person: str) -> int:
    """Take a person out of `who` in all shots' files, and in the project's settings; says in how many files.

    Raises:
        UsageError: a folder is a link.
    """
    num_changed = 0
    for path in (project.folder / SETTINGS_NAME, *sorted(refuse_link(project.folder / ROOM).glob("*/*.toml"))):
        before = path.read_text(errors="surrogateescape")
        after = _WHO.sub(lambda found: _without(found, person), before)
        if after != before:
            write_whole(path, after.encode(errors="surrogateescape"), mode=PRIVATE)
            num_changed += 1
    return num_changed


def _without(found: re.Match[str], person: str) -> str:
    begin, quote, value = found.groups()
    names = [name for name in value.split(",") if name.strip() != person]
    if len(names) == len(value.split(",")):
        return found[0]
    return f"{begin}{quote}{','.join(names).strip() or NOBODY}{quote}"


def _held_folders(folder: Path) -> list[tuple[tuple[str, str], Path]]:
    """Where the held frames of a plate lie, by likeness and performer."""
    found = sorted(path for path in refuse_link(folder / HELD).glob("*/*") if path.is_dir())
    return [((path.parent.name, path.name), _not_linked(path)) for path in found]


def _not_linked(pictures: Path) -> Path:
    refuse_link(pictures.parent)
    return refuse_link(pictures)


def _held_frames(folder: Path, plate: MediaInfo, pair: tuple[str, str]) -> list[HeldFrame]:
    held: dict[int, HeldFrame] = {}
    for path in sorted(folder.glob("*.png")):
        if not re.fullmatch(r"\d+", path.stem, re.ASCII):
            raise UsageError(
                f"expected a frame's number as the name, such as 000130.png, got {path}; rename or remove it"
            )
        index = int(path.stem)
        if index in held:
            raise UsageError(f"{held[index].path} and {path.name} are of the same frame; remove one of them")
        held[index] = read_held(path, index, plate, pair)
    return list(held.values())


def write_template(project: Project, plate: MediaInfo, shot: Shot) -> None:
    """Write a shot's file, in place of any that exists, with every setting as a comment."""
    _write(project, shot.path, template(plate, shot))


def table_of(shot: Shot) -> dict[str, Any]:
    """What a shot's file sets, as it stands there: values, or tables of values at moments; nothing without a file.

    Raises:
        UsageError: the file can't be read.
    """
    return _table(shot.path) if shot.path.exists() else {}


def settings_of(
    project: Project, plate: MediaInfo, timeline: Timeline, shot: Shot, table: Mapping[str, Any]
) -> ShotSettings:
    """What a shot's settings would be if its file held this.

    Raises:
        UsageError: something isn't allowed.
    """
    base = read_config(ShotConfig, SECTION, project.settings)
    return _settings(table, shot.path, plate, timeline, shot.frames, base, ())


def set_shot(project: Project, plate: MediaInfo, timeline: Timeline, shot: Shot, table: Mapping[str, Any]) -> None:
    """Write a shot's file anew, with what is to be set there in the form of `table_of`; without anything, remove it.

    Frames that an artist gave stay as they are.

    Raises:
        UsageError: something isn't allowed; then nothing is written.
    """
    settings_of(project, plate, timeline, shot, table)
    text = template(plate, shot, table)
    if len(text.encode()) > MAX_BYTES:
        raise UsageError(f"expected at most {MAX_BYTES:,} bytes of settings for a shot, got more; remove some keys")
    if table:
        _write(project, shot.path, text)
    else:
        refuse_link(project.folder / ROOM)
        shot.path.unlink(missing_ok=True)


def moved_table(plate: MediaInfo, timeline: Timeline, shot: Shot, table: Mapping[str, Any], to: Shot) -> dict[str, Any]:
    """What is set for a shot, for another one: its keys keep their distance from the shot's beginning.

    Where the other shot is shorter, its last frame has the value that the setting has there.
    """
    moved: dict[str, Any] = {}
    for name, value in table.items():
        if not isinstance(value, Mapping):
            moved[name] = value
            continue
        keyed = sorted(
            (frame_of_key(plate, timeline, shot, name, moment) - shot.frames.start, float(wanted))
            for moment, wanted in value.items()
        )
        last = len(to.frames) - 1
        within = {offset: wanted for offset, wanted in keyed if offset <= last}
        if keyed[-1][0] > last:
            within[last] = float(np.interp(last, [offset for offset, _ in keyed], [wanted for _, wanted in keyed]))
        moved[name] = {str(to.frames.start + offset): wanted for offset, wanted in within.items()}
    return moved


def frame_of_key(plate: MediaInfo, timeline: Timeline, shot: Shot, name: str, moment: str) -> int:
    """The frame of a shot nearest to a key's moment, as its file has it.

    Raises:
        UsageError: it is no moment of the shot.
    """
    time_s = _time_s(shot.path, name, moment, plate, timeline, shot.frames)
    pts = float(time_s / plate.time_base)
    after = bisect_right(timeline.frame_pts, pts)
    near = [frame for frame in (after - 1, after) if frame in shot.frames]
    return min(near, key=lambda frame: abs(int(timeline.frame_pts[frame]) - pts))


def _write(project: Project, path: Path, text: str) -> None:
    project.room(ROOM)
    refuse_link(path.parent).mkdir(mode=0o700, exist_ok=True)
    write_whole(path, text.encode(), mode=PRIVATE)


def template(plate: MediaInfo, shot: Shot, table: Mapping[str, Any] = MappingProxyType({})) -> str:
    """The text of a shot's file that sets this and nothing else: every other setting is a comment."""
    first, last = shot.frames.start, shot.frames.stop - 1
    middle = (shot.begins_s + shot.ends_s) / 2
    lines = [
        f"# Shot {shot.number} of {plate.path.name}: frames {first} to {last}, {shot.begins_s:.2f} to "
        f"{shot.ends_s:.2f} s.",
        "# Take the # away from a setting to change it. It may change within the shot, evenly from key to key, by the",
        "# plate's frames, counted from 0, or by seconds:",
        f'# sharpness = {{ {first} = 0.0, "{middle:.2f} s" = 0.4 }}',
    ]
    for setting in describe_settings(ShotConfig, SECTION):
        name = setting.key
        default = f'"{setting.default}"' if isinstance(setting.default, str) else setting.default
        lines += ["", *_wrapped(f"{setting.meaning} {setting.allowed[0].upper()}{setting.allowed[1:]}.")]
        lines.append(_line(name, table[name]) if name in table else f"# {name} = {default}")
    return "\n".join(lines) + "\n"


def _line(name: str, value: object) -> str:
    """A setting as TOML, whose texts are written as those of JSON where there are no letters beyond its first plane."""
    if isinstance(value, Mapping):
        return f"{name} = {{ {', '.join(f'{json.dumps(str(moment))} = {each}' for moment, each in value.items())} }}"
    return f"{name} = {json.dumps(value, ensure_ascii=False)}"


def looks_of(shots: Sequence[Shot], plate: MediaInfo, timeline: Timeline) -> dict[int, ShotConfig]:
    """The settings of all frames that differ from the defaults, by index."""
    looks = {}
    for shot in shots:
        if shot.settings == ShotSettings():
            continue
        for frame in shot.frames:
            looks[frame] = shot.settings.at(float(begins_s(plate, timeline, frame)))
    return looks


def check_names(shots: Sequence[Shot], people: Sequence[str]) -> None:
    """Check that `who` names people whom the project knows.

    Raises:
        UsageError: it names somebody else.
    """
    for shot in shots:
        for name in shot.settings.base.names:
            if name not in people:
                where = shot.path if shot.path.exists() else "countenance.toml or --set"
                raise UsageError(
                    f"setting shot.who of shot {shot.number}: expected {ALL}, nobody, or names of this project's "
                    f"people ({', '.join(sorted(people))}), got {name!r}; correct it in {where}",
                    code="usage.setting",
                    setting="shot.who",
                )


def _files(folder: Path, num_shots: int, plate: MediaInfo) -> dict[int, Path]:
    found: dict[int, Path] = {}
    for path in sorted(folder.glob("*.toml")):
        if not re.fullmatch(r"\d+", path.stem, re.ASCII):
            raise UsageError(
                f"expected a shot's number as the name, such as 0003.toml, got {path}; rename or remove it"
            )
        number = int(path.stem)
        if not 1 <= number <= num_shots:
            raise UsageError(f"{path} is of shot {number}, but {plate.path.name} has {num_shots}; rename or remove it")
        if number in found:
            raise UsageError(f"{found[number]} and {path.name} are of the same shot; remove one of them")
        found[number] = path
    return found


def _read(
    path: Path, plate: MediaInfo, timeline: Timeline, frames: range, base: ShotConfig, changes: Sequence[str]
) -> ShotSettings:
    return _settings(_table(path), path, plate, timeline, frames, base, changes)


def _table(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise UsageError(f"expected a few lines in {path}, got more than {MAX_BYTES:,} bytes; write it anew")
        return tomllib.loads(content.decode())
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} can't be read as TOML ({error}); correct it, or delete it to begin anew") from None


def _settings(
    table: Mapping[str, Any],
    path: Path,
    plate: MediaInfo,
    timeline: Timeline,
    frames: range,
    base: ShotConfig,
    changes: Sequence[str],
) -> ShotSettings:
    overridden = {change.partition("=")[0].partition(".")[2].strip() for change in changes}
    plain: dict[str, Any] = {each.name: getattr(base, each.name) for each in fields(ShotConfig)} | {
        name: value for name, value in table.items() if not isinstance(value, Mapping)
    }
    keys = {}
    for name, value in table.items():
        if not isinstance(value, Mapping):
            continue
        if name not in KEYED or not value:
            raise UsageError(
                f"{path}: expected values at moments for one of {', '.join(KEYED)}, got a table for {name}; "
                f"give {name} one value",
                code="usage.setting",
                setting=f"{SECTION}.{name}",
            )
        keyed = []
        for moment, wanted in value.items():
            time_s = _time_s(path, name, moment, plate, timeline, frames)
            keyed.append((time_s, float(getattr(_config({**plain, name: wanted}, path, f" at {moment}"), name))))
        if name not in overridden:
            keys[name] = tuple(sorted(keyed))
    config = _config(plain, path, "", changes)
    return ShotSettings(base=config, keys=keys)


def _config(values: Mapping[str, Any], path: Path, where: str, changes: Sequence[str] = ()) -> ShotConfig:
    try:
        return read_config(ShotConfig, SECTION, {SECTION: values}, changes)
    except UsageError as error:
        raise error.rephrased(f"{path}{where}: {error}") from None


def _time_s(path: Path, name: str, moment: str, plate: MediaInfo, timeline: Timeline, frames: range) -> float:
    """A key's moment in seconds of the plate."""
    begin, end = (float(begins_s(plate, timeline, frame)) for frame in (frames.start, frames.stop))
    seconds = _SECONDS.fullmatch(moment.strip())
    if seconds is not None and begin - SHOWN_STEP_S <= float(seconds[1]) <= end + SHOWN_STEP_S:
        return min(max(float(seconds[1]), begin), end)
    if re.fullmatch(r"\d{1,9}", moment, re.ASCII) and int(moment) in frames:
        return float(begins_s(plate, timeline, int(moment)))
    raise UsageError(
        f"{path}: {name} has a value at {moment!r}; expected one of the shot's frames, {frames.start} to "
        f'{frames.stop - 1}, or seconds such as "{(begin + end) / 2:.2f} s", from {begin:.2f} to {end:.2f}',
        code="usage.setting",
        setting=f"{SECTION}.{name}",
    )


def _wrapped(text: str) -> list[str]:
    lines = ["#"]
    for word in text.split():
        if len(lines[-1]) + len(word) > 110:
            lines.append("#")
        lines[-1] += f" {word}"
    return lines
