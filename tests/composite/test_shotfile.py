from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from countenance.composite.shot import AS_DRAWN, ShotConfig, ShotSettings
from countenance.composite.shotfile import (
    check_names,
    forget_held,
    held_pairs,
    hold_frame,
    looks_of,
    read_shots,
    shots_folder,
    template,
    write_template,
)
from countenance.errors import UsageError
from countenance.project import Project
from tests.media.test_excerpt import PLATE, TIMELINE

# Frames 2 to 4 of the second shot begin at 0.18, 0.20 and 0.30 s; the third begins at 0.34 s.


def write(project: Project, text: str, name: str = "0002.toml") -> Path:
    path = shots_folder(project, PLATE) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_without_a_file_every_shot_is_as_drawn(project: Project) -> None:
    shots = read_shots(project, PLATE, TIMELINE)
    assert [(shot.number, shot.frames) for shot in shots] == [(1, range(2)), (2, range(2, 5)), (3, range(5, 6))]
    assert {shot.settings.base for shot in shots} == {AS_DRAWN}
    assert looks_of(shots, PLATE, TIMELINE) == {}
    assert not (project.folder / "shots").exists()


def test_a_file_sets_its_shot_and_no_other(project: Project) -> None:
    write(project, 'likeness = 0.8\nwho = "kim, dana"\n')
    shots = read_shots(project, PLATE, TIMELINE)
    looks = looks_of(shots, PLATE, TIMELINE)
    assert looks == dict.fromkeys(range(2, 5), ShotConfig(likeness=0.8, who="kim, dana"))
    assert shots[1].changed == {"likeness": "0.8", "who": "kim, dana"}
    assert [looks[2].replaces(name) for name in ("kim", "dana", "di")] == [True, True, False]
    assert not ShotConfig(who="nobody").replaces("kim")
    assert not ShotConfig(likeness=0).replaces("kim")


def test_a_value_keyed_in_time_moves_evenly_and_is_held_outside(project: Project) -> None:
    write(project, 'sharpness = { "0.2 s" = 0.0, 4 = 0.5 }\ngrow = { 3 = 0.02 }\nfeather = 0.01')
    looks = looks_of(read_shots(project, PLATE, TIMELINE), PLATE, TIMELINE)
    assert [looks[frame].sharpness for frame in (2, 3, 4)] == pytest.approx([0, 0, 0.5])
    assert [looks[frame].grow for frame in (2, 3, 4)] == [0.02] * 3
    assert looks[4].feather == 0.01
    moving = ShotSettings(keys={"sharpness": ((1.0, 0.0), (3.0, 0.5))})
    assert [moving.at(time).sharpness for time in (0, 1, 2, 3, 4)] == pytest.approx([0, 0, 0.25, 0.5, 0.5])


def test_settings_of_the_project_are_below_the_file_and_those_of_the_run_above(project: Project) -> None:
    project.settings["shot"] = {"feather": 0.03, "sharpness": 0.1, "colour": 0.5}
    write(project, "sharpness = { 2 = 0.2 }\ncolour = 0.7\n")
    first, second, _ = read_shots(project, PLATE, TIMELINE)
    assert first.settings.at(0) == ShotConfig(feather=0.03, sharpness=0.1, colour=0.5)
    assert second.settings.at(0.2) == ShotConfig(feather=0.03, sharpness=0.2, colour=0.7)
    _, tried, _ = read_shots(project, PLATE, TIMELINE, ["shot.sharpness=0.9"])
    assert tried.settings.at(0.2) == ShotConfig(feather=0.03, sharpness=0.9, colour=0.7)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("likeness = 1.5", r"0002\.toml: setting shot\.likeness: expected a number from 0 to 1, got 1\.5"),
        ("grow = { 2 = 0.0, 3 = 0.5 }", r"0002\.toml at 3: setting shot\.grow: expected a number from -0\.1 to 0\.1"),
        ("colur = 1", r"0002\.toml: unknown setting shot\.colur"),
        (
            "grow = { 5 = 0.0 }",
            r"grow has a value at '5'; expected one of the shot's frames, 2 to 4, or seconds such as",
        ),
        ('grow = { "0.5 s" = 0.0 }', r"'0\.5 s'; .* from 0\.18 to 0\.34"),
        ("grow = { now = 0.0 }", "'now'"),
        ("grow = {}", "got a table for grow"),
        ("who = { 2 = 'kim' }", "got a table for who; give who one value"),
        ("likeness = ", r"0002\.toml can't be read as TOML"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_setting(project: Project, text: str, message: str) -> None:
    write(project, text)
    with pytest.raises(UsageError, match=message):
        read_shots(project, PLATE, TIMELINE)


@pytest.mark.parametrize(
    ("name", "message"),
    [("0004.toml", "of shot 4, but plate.mp4 has 3"), ("two.toml", "a shot's number"), ("2.toml", "same")],
)
def test_a_file_of_no_shot_is_told(project: Project, name: str, message: str) -> None:
    write(project, "")
    write(project, "", name)
    with pytest.raises(UsageError, match=message):
        read_shots(project, PLATE, TIMELINE)


def test_two_plates_of_one_name_have_files_of_their_own(project: Project) -> None:
    write(project, "likeness = 0.5")
    other = replace(PLATE, sha256="cd" * 32)
    assert looks_of(read_shots(project, other, TIMELINE), other, TIMELINE) == {}


PAIR = ("dana", "kim")


@pytest.fixture
def painted(tmp_path: Path) -> Path:
    Image.fromarray(np.zeros((*PLATE.resolution_wh[::-1], 3), np.uint8)).save(tmp_path / "painted.png")
    return tmp_path / "painted.png"


def test_held_frames_are_a_pair_s(project: Project, painted: Path) -> None:
    hold_frame(project, PLATE, 3, painted, PAIR)
    hold_frame(project, PLATE, 2, painted, ("lee", "bo"))
    kept = shots_folder(project, PLATE) / "held" / "dana" / "kim" / "000003.png"
    assert kept.stat().st_mode & 0o777 == 0o600
    every, own = (read_shots(project, PLATE, TIMELINE, pairs=pairs)[1].held for pairs in (None, [PAIR]))
    assert [(frame.index, frame.pair) for frame in every] == [(2, ("lee", "bo")), (3, PAIR)]
    assert [(frame.index, frame.path) for frame in own] == [(3, kept)]
    assert held_pairs(project) == [PAIR, ("lee", "bo")]
    forget_held(project, *PAIR)
    assert held_pairs(project) == [("lee", "bo")]
    assert not kept.parent.exists()


def test_a_frame_that_is_given_again_takes_the_place_of_the_earlier_one(project: Project, painted: Path) -> None:
    folder = hold_frame(project, PLATE, 3, painted, PAIR).path.parent
    (folder / "000003.png").rename(folder / "3.png")
    (folder / ".000004.png.0a1b2c3d").write_bytes(b"what a killed command left")
    hold_frame(project, PLATE, 3, painted, PAIR)
    assert [path.name for path in folder.iterdir()] == ["000003.png"]


@pytest.mark.parametrize("linked", ["held", "held/dana", "held/dana/kim"])
def test_a_link_in_place_of_a_folder_of_held_frames_is_refused(
    project: Project, painted: Path, tmp_path: Path, linked: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "dana" / "kim").mkdir(parents=True)
    (elsewhere / "kim").mkdir()
    path = shots_folder(project, PLATE) / linked
    path.parent.mkdir(parents=True)
    path.symlink_to(elsewhere)
    for act in (
        lambda: hold_frame(project, PLATE, 3, painted, PAIR),
        lambda: read_shots(project, PLATE, TIMELINE),
        lambda: forget_held(project, *PAIR),
    ):
        with pytest.raises(UsageError, match="is a link"):
            act()
    assert not list(elsewhere.rglob("*.png"))


def test_names_that_nobody_has_are_told(project: Project) -> None:
    write(project, 'who = "kim, dna"')
    shots = read_shots(project, PLATE, TIMELINE)
    check_names(shots, ["kim", "dna"])
    with pytest.raises(UsageError, match=r"shot\.who of shot 2: .* people \(dana, kim\), got 'dna'; correct it in"):
        check_names(shots, ["kim", "dana"])


def test_a_template_changes_nothing_and_its_lines_are_settings(project: Project) -> None:
    shot = read_shots(project, PLATE, TIMELINE)[1]
    write_template(project, PLATE, shot)
    assert shot.path.stat().st_mode & 0o777 == 0o600
    assert read_shots(project, PLATE, TIMELINE)[1].settings == ShotSettings()
    lines = template(PLATE, shot).splitlines()
    assert lines[0] == "# Shot 2 of plate.mp4: frames 2 to 4, 0.18 to 0.34 s."
    assert max(map(len, lines)) <= 120
    offered = [line.removeprefix("# ") for line in lines if " = " in line]
    write(project, "\n".join(offered[1:]))
    assert read_shots(project, PLATE, TIMELINE)[1].settings == ShotSettings()
    write(project, offered[0])
    assert read_shots(project, PLATE, TIMELINE)[1].settings.at(float(Fraction(26, 100))).sharpness == pytest.approx(0.4)
