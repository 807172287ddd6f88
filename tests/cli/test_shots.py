"""A plate's shots from the command line."""

import json

import numpy as np
from PIL import Image

from tests.cli.test_revocation import revocation_by
from tests.support.desk import Desk
from tests.support.videos import frames_of, write_video


def test_shots_are_listed_and_their_files_written(released: Desk) -> None:
    grey = [np.full((256, 256, 3), 110, np.uint8)] * 8
    plate = write_video(released.folder / "cut.mp4", [*frames_of("performance.mp4", 8), *grey])
    told = released.do("shots", plate, "--write", "2")
    assert [line.split() for line in told.out.splitlines()] == [
        ["shot", "frames", "from", "to", "length", "settings"],
        ["1", "0:7", "0.00", "s", "0.33", "s", "0.33", "s"],
        ["2", "8:15", "0.33", "s", "0.67", "s", "0.33", "s"],
    ]
    (path,) = (released.project / "shots").rglob("*.toml")
    assert f"Wrote {path}. Edit it" in told.err
    path.write_text("sharpness = { 8 = 0.0, 12 = 0.25 }\nfeather = 0.02\n")
    table = released.do("shots", plate).out
    assert "feather 0.02, sharpness 0 at 0.33 s → 0.25 at 0.50 s" in table
    listed = json.loads(released.do("shots", plate, "--json").out)
    assert [shot["file"] for shot in listed["shots"]] == [None, str(path)]
    assert listed["shots"][1]["keys"] == {"sharpness": [[8 / 24, 0.0], [0.5, 0.25]]}
    path.write_text("sharpness = 3")
    ended = released.run("shots", plate)
    assert ended.code == 2
    assert f"{path}: setting shot.sharpness: expected a number from -1 to 1, got 3" in ended.error


def test_painted_frames_are_given_back(released: Desk) -> None:
    plate = write_video(released.folder / "plate.mp4", frames_of("performance.mp4", 8))
    painted = released.folder / "painted=1.png"
    Image.fromarray(frames_of("performance.mp4", 1)[0]).save(painted)
    pair = ("--likeness", "dana", "--performer", "kim")
    told = released.do("shots", plate, "--hold", f"3={painted}", *pair)
    (kept,) = (released.project / "shots").rglob("*.png")
    assert kept.name == "000003.png"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert f"Holding to {kept} at frame 3; delete it to let go." in told.err
    assert "dana onto kim held at 3" in told.out
    assert json.loads(released.do("shots", plate, "--json").out)["shots"][0]["held_frames"] == [
        {"frame": 3, "likeness": "dana", "performer": "kim"}
    ]
    for value, message in (
        ("painted.png", "expected --hold FRAME=PNG, such as 130=painted.png, got 'painted.png'"),
        (f"8={painted}", "is to be held at frame 8, but plate.mp4 has frames 0 to 7"),
        ("3=missing.png", "missing.png"),
    ):
        ended = released.run("shots", plate, "--hold", value, *pair)
        assert ended.code in (2, 4)
        assert message in ended.error
    for words in (("--hold", f"3={painted}", *pair[:2]), pair):
        ended = released.run("shots", plate, *words)
        assert (ended.code, "expected --hold with both --likeness and --performer" in ended.error) == (2, True)
    assert kept.parent.parts[-3:] == ("held", "dana", "kim")
    kept.rename(kept.with_name("three.png"))
    assert "expected a frame's number as the name, such as 000130.png" in released.run("shots", plate).error


def test_a_part_that_is_none_is_told_before_anything_is_done(released: Desk) -> None:
    for words, message in (
        (("--shot", "2", "--frames", "1:3"), "--shot and --frames both say what to render"),
        (("--frames", "3-4"), "expected --frames FIRST:LAST"),
        (("--preview", "--set", "shot.grow=1"), "setting shot.grow: expected a number from -0.1 to 0.1, got 1"),
    ):
        ended = released.run(*released.generate(*words))
        assert (ended.code, message in ended.error) == (2, True), ended.err


def test_a_revocation_takes_drawn_faces_and_held_frames_with_it(released: Desk) -> None:
    kept = released.project / "drawn" / "dana" / "kim" / "face"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"a face")
    plate = write_video(released.folder / "plate.mp4", frames_of("performance.mp4", 8))
    painted = released.folder / "painted.png"
    Image.fromarray(frames_of("performance.mp4", 1)[0]).save(painted)
    released.do("shots", plate, "--hold", f"3={painted}", "--likeness", "dana", "--performer", "kim")
    (held,) = (released.project / "shots").rglob("*.png")
    revocation = revocation_by(released, "dana", "likeness")
    released.do("release", "list")
    assert kept.exists()
    assert held.exists()
    released.do("release", "add", revocation)
    assert not kept.exists()
    assert not held.exists()
