"""`countenance faces` as a user runs it."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from countenance import ledger
from countenance.database import DATABASE_NAME
from countenance.faces.store import stored_faces
from countenance.project import opened
from tests.support.desk import Desk

NAMES = ("faces", "list", "dana", "--names")
UNSURE = ("--set", "prepare.max_distance=0.01")
"""So near nobody is: every track waits for a word."""


@pytest.fixture(scope="session")
def prepared_desk(collected_desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Dana's faces are found."""
    desk = collected_desk.copy(tmp_path_factory.mktemp("prepared") / "desk")
    desk.do("prepare", "dana", "--set", "prepare.threads=1")
    return desk


@pytest.fixture
def desk(prepared_desk: Desk, tmp_path: Path) -> Desk:
    return prepared_desk.copy(tmp_path / "desk")


@pytest.fixture
def kept(desk: Desk) -> list[str]:
    """Names of the kept faces."""
    return desk.do(*NAMES, "--where", "kept").out.split()


def asked(desk: Desk, *words: str | Path) -> dict[str, Any]:
    """What a command tells a program."""
    value: dict[str, Any] = json.loads(desk.do("faces", *words, "--json").out)
    return value


def state(desk: Desk) -> list[tuple[object, ...]]:
    """All that a word could change."""
    with closing(sqlite3.connect(desk.project / DATABASE_NAME)) as database:
        rows: list[tuple[object, ...]] = []
        for table in ("answers", "faces", "tracks", "face_sets"):
            rows += database.execute(f"SELECT * FROM {table}").fetchall()
        # What releases allow is decided, and logged, before a word is looked at.
        rows += database.execute('SELECT * FROM log WHERE entry NOT LIKE \'%"event":"permit.%\'').fetchall()
        return rows


def said(desk: Desk) -> list[tuple[int, str]]:
    with closing(sqlite3.connect(desk.project / DATABASE_NAME)) as database:
        return database.execute("SELECT frame, word FROM answers ORDER BY id").fetchall()


def events(desk: Desk) -> Iterator[str]:
    with opened(desk.project) as project:
        yield from [entry.event for entry in ledger.entries(project)]


def test_a_list_tells_people_and_programs_the_same(desk: Desk) -> None:
    told = desk.do("faces", "list", "dana", "--sort", "yaw", "--where", "kept", "--limit", "5").out
    faces = asked(desk, "list", "dana", "--sort", "yaw", "--where", "kept", "--limit", "5")["faces"]
    assert len(faces) == 5
    yaws = [face["quality"]["yaw_pitch_roll_deg"][0] for face in faces]
    assert yaws == sorted(yaws)
    rows = told.splitlines()[1:]
    for row, face, yaw in zip(rows, faces, yaws, strict=True):
        assert row.split()[:2] == [face["name"], "dana.mp4"]
        assert f"yaw {yaw:+.0f}°" in row
        assert row.split()[-1] == "kept"


def test_dropped_faces_leave_the_face_set_until_they_are_kept_again(desk: Desk, kept: list[str]) -> None:
    names = desk.folder / "names.txt"
    names.write_text(f"# too many\n\n{kept[1]}\n{kept[2]}\n")
    dropped = desk.do("faces", "drop", "dana", kept[0], "--from", names)
    assert dropped.err.endswith(f"3 faces dropped; face set of dana: {len(kept) - 3} faces.\n")
    assert desk.do(*NAMES, "--where", "dropped").out.split() == kept[:3]
    # It holds when the faces are chosen anew.
    desk.do("prepare", "dana", "--set", "prepare.threads=1")
    assert desk.do(*NAMES, "--where", "kept").out.split() == kept[3:]
    value = asked(desk, "keep", "dana", kept[0])
    assert (value["kept"], value["faces_kept"]) == (1, len(kept) - 2)
    with opened(desk.project) as project:
        (row,) = project.database.execute("SELECT num_faces, digest FROM face_sets WHERE person = 'dana'")
        assert row == (len(kept) - 2, value["face_set"])
    desk.check()


def test_a_decision_can_be_withdrawn(desk: Desk, kept: list[str]) -> None:
    desk.do("faces", "drop", "dana", kept[0], kept[1])
    told = desk.do("faces", "reset", "dana", kept[0])
    assert told.err.endswith(f"1 face judged again; face set of dana: {len(kept) - 1} faces.\n")
    assert [word for _, word in said(desk)] == ["drop"]
    value = asked(desk, "reset", "dana", kept[1])
    assert (value["reset"], value["faces_kept"]) == (1, len(kept))
    assert said(desk) == []
    desk.check()


def test_faces_are_kept_in_spite_of_the_reasons(desk: Desk) -> None:
    desk.do("prepare", "dana", "--set", "prepare.threads=1", "--set", "prepare.max_yaw_deg=10")
    turned = desk.do(*NAMES, "--where", "turned").out.split()
    number = len(desk.do(*NAMES, "--where", "kept").out.split())
    assert turned
    # The others are judged as they were, though the settings' file says nothing of it.
    assert asked(desk, "keep", "dana", turned[0])["faces_kept"] == number + 1


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("keep", "dana", "nobody"), "no face is called 'nobody'"),
        (("drop", "dana", "{first}", "nobody"), "no face is called 'nobody'"),
        (("drop", "dana", "{prefix}"), "faces have a name that begins with"),
        (("drop", "dana"), "expected names of faces to drop"),
        (("drop", "dana", "--from", "missing.txt"), "missing.txt can't be read: No such file"),
        (("list", "dana", "--where", "ugly"), "expected --where with one of kept"),
        (("list", "dana", "--range", "yaw"), "expected --range MEASURE=LOW..HIGH"),
        (("list", "dana", "--clip", "x.mp4"), "there are dana.mp4"),
        (("show", "dana", "--output", "sheet.jpg"), "expected --output with a name that ends in .png"),
        (("review", "dana", "--yes", "t1"), "no track here; those are none"),
        (("import", "dana", "missing"), "expected a folder made by"),
        (("export", "dana", "."), "expected a new or empty folder"),
    ],
)
def test_wrong_use_is_one_line_and_changes_nothing(
    desk: Desk, kept: list[str], words: tuple[str, ...], line: str
) -> None:
    before, files = state(desk), desk.traces()
    ended = desk.run("faces", *(word.format(first=kept[0], prefix=kept[0][:6]) for word in words))
    assert ended.code == 2
    assert line in ended.error
    assert (state(desk), desk.traces()) == (before, files)


def test_nothing_is_shown_or_said_without_a_release(desk: Desk, kept: list[str]) -> None:
    desk.do("faces", "export", "dana", desk.folder / "out", "--limit", "1")
    revocation = desk.folder / "dana.revocation.toml"
    release = desk.folder / "dana-likeness.release.toml"
    desk.do("release", "revoke", release, "--key", desk.folder / "dana.key", "--output", revocation)
    desk.do("release", "add", revocation)
    before, files = state(desk), desk.traces()
    for words in (
        ("list", "dana"),
        ("show", "dana", "--output", "sheet.png"),
        ("keep", "dana", kept[0]),
        ("drop", "dana", kept[0]),
        ("review", "dana"),
        ("review", "dana", "--output", "sheet.png"),
        ("export", "dana", "faces"),
        ("import", "dana", desk.folder / "out"),
    ):
        ended = desk.run("faces", *words)
        assert ended.code == 3
        assert "was revoked" in ended.error
        assert ended.out == ""
    assert (state(desk), desk.traces()) == (before, files)


def test_before_prepare_there_is_nothing_to_see(collected: Desk) -> None:
    ended = collected.run("faces", "list", "dana")
    assert ended.code == 4
    assert "run `countenance prepare dana` first" in ended.error


def test_contact_sheets_are_private_and_never_replaced_by_mistake(desk: Desk, kept: list[str]) -> None:
    one = asked(desk, "show", "dana", "--where", "kept", "--limit", "3", "--output", "../sheet.png")
    assert (one["sheets"], one["shown"]) == (["../sheet.png"], 3)
    sheet = desk.folder / "sheet.png"
    assert sheet.stat().st_mode & 0o777 == 0o600
    before = sheet.read_bytes()
    assert "is there already" in desk.run("faces", "show", "dana", "--output", "../sheet.png", "--limit", "1").error
    assert sheet.read_bytes() == before
    desk.do("faces", "show", "dana", "--limit", "1", "--output", "../sheet.png", "--overwrite")
    assert sheet.read_bytes() != before
    more = asked(desk, "show", "dana", "--where", "kept", "--output", "../all.png")
    assert more["shown"] == len(kept) > 35
    assert more["sheets"] == ["../all-1.png", "../all-2.png"]
    assert all((desk.project / path).is_file() for path in more["sheets"])


def test_a_yes_takes_a_track_in(desk: Desk, kept: list[str]) -> None:
    failed = desk.run("prepare", "dana", "--set", "prepare.threads=1", *UNSURE)
    assert failed.code == 4
    (track,) = asked(desk, "review", "dana")["waiting"]
    assert track["faces"] == len(desk.do(*NAMES, "--where", "unsure").out.split())
    shown = desk.do("faces", "review", "dana", "--output", "../review.png")
    assert f"--yes {track['track']}" in shown.err
    with Image.open(desk.folder / "review.png") as sheet:
        assert sheet.width > 1000
    answers = desk.folder / "answers.txt"
    answers.write_text(f"{track['track']} yes\n")
    done = desk.do("faces", "review", "dana", "--from", answers)
    assert f"1 track is dana; face set of dana: {len(kept)} faces." in done.err
    assert "No track of dana is undecided." in done.err
    assert asked(desk, "review", "dana")["waiting"] == []
    desk.check()


def test_a_no_deletes_a_track(desk: Desk) -> None:
    desk.run("prepare", "dana", "--set", "prepare.threads=1", *UNSURE)
    (track,) = asked(desk, "review", "dana")["waiting"]
    for words in (("--yes", track["track"], "--no", track["track"][:2]), ("--from", "../answers.txt")):
        (desk.folder / "answers.txt").write_text(f"{track['track']} maybe\n")
        before = state(desk)
        assert desk.run("faces", "review", "dana", *words).code == 2
        assert state(desk) == before
    ended = desk.run("faces", "review", "dana", "--no", track["track"])
    assert ended.code == 4
    assert "your decisions were saved and will be applied next time" in ended.error
    with opened(desk.project) as project:
        assert stored_faces(project, "dana") == []


def test_faces_go_out_and_what_was_mended_comes_back(desk: Desk, kept: list[str]) -> None:
    folder = desk.folder / "out"
    done = asked(desk, "export", "dana", folder, "--where", "kept", "--sort", "yaw", "--reverse")
    assert done["faces"] == len(kept)
    assert list(events(desk))[-1] == "faces.exported"
    assert "Nothing was changed there." in desk.do("faces", "import", "dana", folder).err

    # One is dropped by word, one by deleting it, one mask is painted, and one mesh is nudged.
    document = json.loads((folder / "faces.json").read_bytes())
    by_word, deleted, painted, nudged = document["faces"][:4]
    by_word["state"] = "drop"
    (folder / f"{deleted['name']}.png").unlink()
    mask = np.zeros((256, 256), np.uint8)
    mask[100:] = 255
    Image.fromarray(mask).save(folder / f"{painted['name']}.mask.png")
    for point in nudged["landmarks_xyz"]:
        point[0] = round(point[0] + 3, 2)
    (folder / "faces.json").write_text(json.dumps(document))

    with opened(desk.project) as project:
        before = {face.name: face for face in stored_faces(project, "dana")}
    first = desk.do("faces", "import", "dana", folder)
    assert "1 face dropped, 1 face cut again, 1 mask by hand; face set of dana:" in first.err
    assert "Images deleted: 1. Add --drop-deleted" in first.err
    second = asked(desk, "import", "dana", folder, "--drop-deleted")
    assert (second["dropped"], second["masks"], second["cut_anew"]) == (2, 0, 0)

    with opened(desk.project) as project:
        after = {face.frame: face for face in stored_faces(project, "dana")}
        for record in (by_word, deleted):
            assert after[record["frame"]].rejections == ("dropped",)
        hand = after[painted["frame"]]
        assert hand.mask_origin == "hand"
        assert hand.quality.occluded_fraction > before[painted["name"]].quality.occluded_fraction + 0.1
        moved = after[nudged["frame"]]
        was = before[nudged["name"]]
        np.testing.assert_allclose(moved.landmarks_xyz[:, 0] - was.landmarks_xyz[:, 0], 3, atol=0.006)
        assert moved.quality.size_px == pytest.approx(was.quality.size_px, rel=0.01)
        assert moved.quality.sharpness != was.quality.sharpness
    desk.check()


def test_an_import_that_cannot_be_taken_changes_nothing(desk: Desk, kept: list[str]) -> None:
    folder = desk.folder / "out"
    desk.do("faces", "export", "dana", folder, "--where", "kept")
    document = json.loads((folder / "faces.json").read_bytes())
    document["faces"][0]["state"] = "drop"
    (folder / "faces.json").write_text(json.dumps(document))
    (folder / f"{kept[-1]}.png").write_bytes(b"no picture")
    before = state(desk)
    ended = desk.run("faces", "import", "dana", folder)
    assert ended.code == 2
    assert "can't be read as PNG" in ended.error
    assert state(desk) == before
