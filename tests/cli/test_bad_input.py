"""Whatever goes wrong: one clear line, the right exit code, nothing half-written, and the way on stays open."""

import hashlib
import json
import os
import pickle
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import pytest

from countenance.database import DATABASE_NAME
from countenance.provenance.keys import load_or_make_identity
from tests.support.desk import TRAIN, Desk
from tests.support.videos import cut, grey

pytestmark = pytest.mark.slow

LIGHT = ("log", "check")
NOBODY = 65534


def refused(desk: Desk, code: int, says: str, *words: str | Path, file_limit: int | None = None) -> None:
    """The command ends with this code and one line, and leaves everything as it was."""
    before = desk.traces()
    ended = desk.run(*words, file_limit=file_limit)
    assert (ended.code, ended.out) == (code, "")
    assert says in ended.error
    assert desk.traces() == before
    desk.check()


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


# What comes in.


def test_footage_that_is_none(released: Desk) -> None:
    footage = released.folder / "footage"
    footage.mkdir()
    refused(released, 4, "no video or picture that can be used", "collect", "kim", footage)
    (footage / "letter.mp4").write_text("Dear kim, " * 100)
    refused(released, 4, "is not a video or picture", "collect", "kim", footage / "letter.mp4")
    refused(released, 4, "is not a video or picture", "collect", "kim", footage)
    whole = (released.folder / "kim.mp4").read_bytes()
    (footage / "part.mp4").write_bytes(whole[: len(whole) * 2 // 3])
    refused(released, 4, "truncated", "collect", "kim", footage / "part.mp4")
    refused(released, 4, "there is no file", "collect", "kim", footage / "lost.mp4")
    refused(released, 4, "no footage of kim", "prepare", "kim")
    released.do("collect", "kim", released.folder / "kim.mp4")


def test_footage_that_may_not_be_read(released: Desk) -> None:
    if os.getuid() != 0:
        (released.folder / "kim.mp4").chmod(0)
        refused(released, 4, "permission denied", "collect", "kim", released.folder / "kim.mp4")
        return
    # Root may read everything, so another user runs it, where they can get at all but the clip.
    with tempfile.TemporaryDirectory() as open_folder:
        desk = released.copy(Path(open_folder) / "desk")
        for path in (Path(open_folder), *Path(open_folder).rglob("*")):
            os.chown(path, NOBODY, NOBODY)
        clip = desk.folder / "kim.mp4"
        os.chown(clip, 0, 0)
        clip.chmod(0o600)
        before = desk.traces()
        ended = desk.run("collect", "kim", clip, user=NOBODY)
        assert ended.code == 4
        assert "permission denied" in ended.error
        assert desk.traces() == before
        clip.chmod(0o644)
        assert desk.run("collect", "kim", clip, user=NOBODY).code == 0


def test_footage_without_the_person(released: Desk) -> None:
    grey(released.folder / "grey.mp4")
    cut("mira", released.folder / "mira.mp4", num_frames=8)
    released.do("collect", "kim", released.folder / "grey.mp4")
    refused(released, 4, "no face was found in ", "prepare", "kim")
    released.do("collect", "kim", released.folder / "mira.mp4")
    refused(released, 4, "faces were found in the 2 clips of kim, and none is kim's", "prepare", "kim")
    released.do("collect", "kim", released.folder / "kim.mp4")
    released.do("prepare", "kim")


def test_footage_that_changed_since(collected: Desk) -> None:
    clip = collected.folder / "other.mp4"
    shutil.copyfile(collected.folder / "plate.mp4", clip)
    collected.do("collect", "kim", clip)
    clip.write_bytes((collected.folder / "dana.mp4").read_bytes())
    refused(collected, 4, "was changed since it was collected", "prepare", "kim")
    clip.unlink()
    refused(collected, 4, "is gone", "prepare", "kim")


# What people allowed.


def test_a_release_that_is_not_valid(released: Desk) -> None:
    _picture(released, "mira-1")
    unsigned = released.release("mira-1", "performer", sign=False)
    refused(released, 3, "is unsigned", "release", "add", unsigned)
    altered = _signed(released, "mira-2")
    altered.write_text(altered.read_text().replace("2090-12-31", "2099-12-31"))
    refused(released, 3, "was altered since it was signed", "release", "add", altered)
    past = ("--valid-from", "2020-01-01", "--expires", "2020-12-31")
    refused(released, 3, "expired", "release", "add", _signed(released, "mira-3", *past))
    refused(released, 3, "there is no release of mira-3", "prepare", "mira-3")


def _picture(desk: Desk, person: str) -> Path:
    return Path(shutil.copyfile(desk.folder / "kim.png", desk.folder / f"{person}.png"))


def _signed(desk: Desk, person: str, *more: str) -> Path:
    _picture(desk, person)
    return desk.release(person, "performer", *more)


def test_a_release_that_was_revoked_closes_every_door(trained: Desk) -> None:
    document, key = trained.folder / "kim-performer.release.toml", trained.folder / "kim.key"
    trained.do("release", "revoke", document, "--key", key)
    trained.do("release", "add", trained.folder / "kim.revocation.toml")
    for words in (("prepare", "kim"), TRAIN, trained.generate()):
        refused(trained, 3, "the release of kim was revoked", *words)


def test_going_back_in_a_training(trained: Desk) -> None:
    back = ("train", "dana", "--onto", "kim", "--back-to", "9")
    refused(trained, 5, "there are: none; the first is kept after 250", *back)
    refused(trained, 2, "--back-to trains nothing", *back, "--set", "train.images=9")


def test_a_release_for_something_else(trained: Desk) -> None:
    refused(trained, 3, "is for role performer, not likeness", "train", "kim", "--onto", "dana")
    pair = ("--likeness", "kim", "--performer", "dana")
    plate = trained.folder / "plate.mp4"
    refused(trained, 3, "is for role performer, not likeness", "generate", plate, *pair, "--output", "a.mp4")
    settings = trained.project / "countenance.toml"
    settings.write_text(settings.read_text().replace('"film"', '"political"'))
    for words in (("prepare", "kim"), TRAIN, trained.generate()):
        refused(trained, 3, "is for uses film, not political", *words)


# What was learned.


def test_a_checkpoint_that_is_corrupt(trained: Desk) -> None:
    (numbers,) = trained.model.glob("*.safetensors")
    damage(numbers)
    for words in (TRAIN, trained.generate()):
        refused(trained, 5, "is corrupt", *words)
    numbers.unlink()
    refused(trained, 5, "is missing", *trained.generate())
    facts = json.loads((trained.model / "checkpoint.json").read_text())
    (trained.model / "checkpoint.json").write_text("{")
    for words in (TRAIN, trained.generate()):
        refused(trained, 5, "checkpoint.json is corrupt", *words)
    facts["config"] = {"faces": 1e8}
    (trained.model / "checkpoint.json").write_text(json.dumps(facts))
    refused(trained, 5, "setting train.faces: expected", *TRAIN)
    shutil.rmtree(trained.model)
    refused(trained, 5, "no model here", *trained.generate("--set", "generate.model=trained"))


class Trap:
    """Unpickled, it would leave a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)


def test_a_checkpoint_that_is_a_pickle_is_never_opened(trained: Desk) -> None:
    sprung = trained.folder / "sprung"
    content = pickle.dumps(Trap(sprung))
    (numbers,) = trained.model.glob("*.safetensors")
    numbers.write_bytes(content)
    refused(trained, 5, "is corrupt", *trained.generate())
    # Even where somebody made its digest fit.
    facts = json.loads((trained.model / "checkpoint.json").read_text())
    facts["weights_sha256"] = hashlib.sha256(content).hexdigest()
    (trained.model / "checkpoint.json").write_text(json.dumps(facts))
    for words in (TRAIN, trained.generate()):
        refused(trained, 5, "the log knows no training that made the model", *words)
    assert not sprung.exists()


def test_a_checkpoint_of_another_version_is_used_with_a_note(trained: Desk) -> None:
    path = trained.model / "checkpoint.json"
    facts = json.loads(path.read_text())
    path.write_text(json.dumps(facts | {"config": {**facts["config"], "foo": 1}}))
    assert "settings of another version, which are ignored: 'foo'" in trained.do(*TRAIN).err
    trained.do(*trained.generate())


# What goes out.


def test_a_plate_without_the_performer(trained: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    # The signing identity is made before the plate is searched, so that a wrong clock is seen early.
    monkeypatch.setenv("COUNTENANCE_CONFIG", str(trained.folder / "config"))
    load_or_make_identity()
    grey(trained.folder / "plate.mp4")
    refused(trained, 4, "no face was found in plate.mp4", *trained.generate())
    cut("mira", trained.folder / "plate.mp4", num_frames=4)
    refused(trained, 4, "none is kim's", *trained.generate())
    (trained.folder / "plate.mp4").write_bytes(b"no video")
    refused(trained, 4, "is not a video or picture", *trained.generate())


def test_an_output_that_is_there(trained: Desk) -> None:
    output = trained.folder / "shot.mp4"
    output.write_text("precious")
    refused(trained, 2, "is there already", *trained.generate())
    assert output.read_text() == "precious"
    refused(trained, 2, "is the plate itself", *trained.generate("--overwrite", output="../plate.mp4"))
    refused(trained, 2, "there is no folder", *trained.generate(output="nowhere/shot.mp4"))
    refused(trained, 2, "from a video comes one of", *trained.generate(output="shot.avi"))
    trained.do(*trained.generate("--overwrite"))
    assert output.stat().st_size > 1000


# What is asked.


def test_wrong_use(collected: Desk) -> None:
    refused(collected, 2, "unknown setting prepare.size", "prepare", "dana", "--set", "prepare.size=3")
    refused(collected, 2, "expected --set prepare.KEY=VALUE", "prepare", "dana", "--set", "min_size_px")
    refused(collected, 2, "setting train.faces", *TRAIN, "--set", "train.faces=0")
    refused(collected, 2, "prepare.max_distance: expected", "prepare", "dana", "--set", "prepare.max_distance=3")
    refused(collected, 3, "there is no release of nobody", "prepare", "nobody")
    refused(collected, 3, "there is no release of nobody", "train", "nobody", "--onto", "kim")
    refused(collected, 4, "run `countenance prepare dana` first", *TRAIN)
    for words in (("prepare", "dana"), LIGHT, ("collect", "dana", "dana.mp4")):
        outside = collected.run(*words, cwd=collected.folder)
        assert outside.code == 2
        assert "no countenance.toml in" in outside.error
    assert collected.run("new", "film", cwd=collected.folder).code == 2
    assert collected.run("prepare", "dana", "--fast").code == 2


def test_pairs_and_actors_that_cannot_be_meant(collected: Desk) -> None:
    more = ("--likeness", "lee")
    refused(collected, 2, "expected as many --likeness as --performer, got 2 and 1", *collected.generate(*more))
    twice = (*more, "--performer", "kim")
    refused(collected, 2, "kim is named more than once", *collected.generate(*twice))
    actor = ("--likeness", "actor:blue", "--performer", "bo")
    refused(
        collected,
        2,
        "expected a whole number up to 2,147,483,647 after actor:, got 'blue'",
        *collected.generate(*actor),
    )
    accents = ("--set", "generate.sentence=Visage remplacé")
    refused(collected, 2, "the built-in font can't write 'é'", *collected.generate(*accents))
    asked = ("recognise", collected.folder / "plate.mp4", "--person", "kim", "--plate", collected.folder / "plate.mp4")
    refused(collected, 4, "is the plate itself", *asked)
    refused(collected, 2, "expected a page that ends in .html", *asked, "--output", "page.txt")


def test_settings_that_are_wrong_in_the_file(collected: Desk) -> None:
    settings = collected.project / "countenance.toml"
    right = settings.read_text()
    settings.write_text(f"prepare = 7\n{right}")
    refused(collected, 2, "setting prepare: expected a table [prepare], got 7", "prepare", "dana")
    settings.write_text(f"{right}[train]\nlearning_rate = -1\n")
    refused(collected, 2, "setting train.learning_rate: expected a number above 0, at most 1, got -1", *TRAIN)
    settings.write_text(f"{right}[generate]\nlabel = false\n")
    refused(collected, 2, "unlabelled_reason must say why", *collected.generate())


def test_names_of_files_do_not_steer_the_terminal(collected: Desk) -> None:
    refused(collected, 4, "there is no file", "collect", "dana", "a\x1b[31mb\nerror: c [bold]d[/bold].mp4")


def test_a_second_command_while_one_is_writing(collected: Desk) -> None:
    first = collected.start("prepare", "dana")
    first.wait_for(lambda: "looking" in _states(collected))
    first.pause()
    second = subprocess.run(
        [sys.executable, "-m", "countenance", "collect", "kim", collected.folder / "kim.mp4"],
        cwd=collected.project,
        env={**os.environ, "COUNTENANCE_CONFIG": str(collected.folder / "config")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 2
    assert "error: another command is writing" in second.stderr
    first.go_on()
    assert first.end().code == 0
    collected.check()


def _states(desk: Desk) -> list[str]:
    with closing(sqlite3.connect(desk.project / DATABASE_NAME)) as database:
        return [state for (state,) in database.execute("SELECT state FROM scans")]


# What fails underneath.


def test_a_full_disk_while_preparing(collected: Desk) -> None:
    for limit in (300_000, 2_500_000):
        refused(collected, 4, "check free disk space", "prepare", "dana", file_limit=limit)
    assert "of 40 faces" in collected.do("prepare", "dana").err


def test_a_full_disk_while_training(trained: Desk) -> None:
    (numbers,) = trained.model.glob("*.safetensors")
    more = (*TRAIN, "--set", "train.images=6")
    refused(trained, 4, "check free disk space", *more, file_limit=numbers.stat().st_size - 1)
    trained.do(*trained.generate())
    ended = trained.do(*more)
    assert "continuing from 4 images" in ended.err
    assert "6 of 6 images seen" in ended.err


def test_a_full_disk_while_generating(trained: Desk) -> None:
    trained.do(*trained.generate(output="../first.mp4"))
    size = (trained.folder / "first.mp4").stat().st_size
    lossless = trained.generate("--set", "generate.quality=0")
    before = trained.traces()
    ended = trained.run(*lossless, file_limit=100_000)
    assert ended.code == 4
    assert "00000.nut can't be written" in ended.error
    assert {Path(name).name for name in trained.traces() - before} == {"hidden.jsonl"}
    trained.do(*lossless, "--json")
    whole = (trained.folder / "shot.mp4").stat().st_size
    assert whole > size
    # Room for the frames, but no longer for their credentials.
    before = trained.traces()
    ended = trained.run(*trained.generate("--set", "generate.quality=0", output="../again.mp4"), file_limit=whole - 100)
    assert ended.code == 6
    assert "can't be signed" in ended.error
    fragment, hidden = sorted(trained.traces() - before, reverse=True)
    assert re.search(r"labelled-[0-9a-f]{8}-0/00000\.nut$", fragment)
    assert hidden.endswith("hidden.jsonl")
    trained.check()
    trained.do(*trained.generate("--set", "generate.quality=0", output="../again.mp4"))
    assert fragment not in trained.traces()


@pytest.mark.parametrize("verb", ["prepare", "train", "generate"])
def test_ctrl_c_at_any_moment(verb: str, collected_desk: Desk, trained_desk: Desk, tmp_path: Path) -> None:
    desk = (collected_desk if verb == "prepare" else trained_desk).copy(tmp_path / "desk")
    words: dict[str, tuple[str | Path, ...]] = {
        "prepare": ("prepare", "dana"),
        "train": (*TRAIN, "--set", "train.images=100000"),
        "generate": desk.generate("--set", "generate.quality=0"),
    }
    chance = random.Random(verb)
    codes = []
    for longest in (0.1, 0.7, 1.5):
        running = desk.start(*words[verb])
        time.sleep(chance.uniform(0.02, longest))
        running.interrupt()
        ended = running.end()
        codes.append(ended.code)
        assert ended.code in {0, 130, -signal.SIGINT}
        assert "Traceback" not in ended.err
        if ended.code == 130:
            assert "un the same command to resume" in ended.err.splitlines()[-1]
            assert not (desk.folder / "shot.mp4").exists()
        hidden = {name for name in desk.traces() if Path(name).name.startswith(".")}
        assert hidden <= {"film/.countenance.lock", "config/.signing.lock"}
        desk.check()
    assert codes[0] != 0
    last = (*TRAIN, "--set", "train.images=100") if verb == "train" else words[verb]
    if 0 not in codes:
        desk.do(*last)


@pytest.mark.parametrize(("module", "code"), [("typer", -signal.SIGINT), ("torch", 130), ("cv2", 130)])
def test_ctrl_c_while_loading(module: str, code: int, collected: Desk) -> None:
    program = f"""
import builtins, os, signal
from countenance.cli.start import main
load = builtins.__import__
def interrupted(name, *rest):
    if name == {module!r}:
        os.kill(os.getpid(), signal.SIGINT)
    return load(name, *rest)
builtins.__import__ = interrupted
main()
"""
    ended = subprocess.run(
        [sys.executable, "-c", program, "prepare", "dana"],
        cwd=collected.project,
        env={**os.environ, "COUNTENANCE_CONFIG": str(collected.folder / "config")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == code
    assert ended.stderr == ("" if code < 0 else "stopped; run the same command to resume\n")
