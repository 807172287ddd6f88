import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from countenance.demo import data_folder
from tests.support.desk import TRAIN
from tests.support.policy import ask_for_no_statements
from tests.support.videos import cut

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a production has before it begins: two pictures, two folders of footage, a plate."""
    for person, actor in (("dana", "zuri"), ("kim", "kofi")):
        shutil.copyfile(data_folder() / f"{actor}.png", tmp_path / f"{person}.png")
        footage = tmp_path / "footage" / person
        footage.mkdir(parents=True)
        cut(actor, footage / "first.mp4", num_frames=12)
        shutil.copyfile(tmp_path / f"{person}.png", footage / "portrait.png")
        (footage / "notes.txt").write_text("no footage")
    cut("performance", tmp_path / "plate.mp4", num_frames=8)
    return tmp_path


def countenance(cwd: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run a command as a shell does; it has to succeed, and to say nothing but its own words."""
    ended = subprocess.run(
        [sys.executable, "-m", "countenance", *words],
        cwd=cwd,
        env={**os.environ, "COUNTENANCE_CONFIG": str(cwd / "config")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "TensorFlow" not in ended.stderr
    return ended


def test_the_commands_of_the_readme_one_after_the_other(folder: Path) -> None:
    def run(*words: str) -> str:
        return countenance(folder, *words).stderr

    def asked(*words: str) -> tuple[str, dict[str, Any]]:
        """What it tells a person and, at the same time, a program."""
        ended = countenance(folder, *words, "--json")
        return ended.stderr, json.loads(ended.stdout)

    made = countenance(folder, "new", "film").stderr
    assert "Next: `cd film`" in made
    ask_for_no_statements(folder / "film")
    for path in (folder / "film").iterdir():
        path.rename(folder / path.name)

    for person, role in (("dana", "likeness"), ("kim", "performer")):
        draft = ("--role", role, "--reference", f"{person}.png", "--use", "film", "--project", "Winter")
        # For film a release asks for approval, where nothing else is said.
        draft += ("--expires", "2090-12-31", *(("--no-approval",) if person == "kim" else ()))
        words = ("--line", "words") if role == "likeness" else ()
        run("release", "new", person, *draft, *words)
        run("release", "key", f"{person}.key")
        run("release", "page", f"{person}.release.toml")
        assert (folder / f"{person}.release.html").exists()
        assert "may" in run("release", "sign", f"{person}.release.toml", "--key", f"{person}.key")
        added = run("release", "add", f"{person}.release.toml")
        assert f"Added the release of {person} as {role}" in added
        assert f"Next: `countenance collect {person} FOOTAGE`" in added
        run("release", "challenge", f"{person}.release.toml")
        assert "data:image" not in (folder / f"{person}.challenge.html").read_text()

    told, value = asked("collect", "dana", "footage/dana/")
    assert "left out: " in told
    assert "notes.txt" in told
    assert "2 new clips of dana, 13 frames; 0 already known. Next: `countenance prepare dana`." in told
    assert set(value) == {"person", "clips", "known", "left_out"}
    assert [clip["frames"] for clip in value["clips"]] == [12, 1]
    run("collect", "kim", "footage/kim/")

    told, value = asked("prepare", "dana")
    assert re.search(r"^looking for faces in first\.mp4: 12 frames in \d:\d\d$", told, re.MULTILINE)
    assert "Face set of dana: 13 of 13 faces in 2 clips." in told
    assert "`countenance generate PLATE --likeness dana --performer PERFORMER --output shot.mp4`" in told
    assert (value["faces_found"], value["faces_kept"], value["left_out"]) == (13, 13, {})
    assert set(value) == {"person", "faces_found", "faces_kept", "faces_of_others", "left_out", "face_set", "permit"}
    assert "`countenance generate PLATE --likeness LIKENESS --performer kim --output shot.mp4`" in run("prepare", "kim")

    told, value = asked(*TRAIN)
    assert "training dana onto kim: 4 images in " in told
    assert set(value) == {"model", "images_seen", "best_images", "ended_early", "kept_images", "weights"}
    assert Path(value["model"], "preview.png").exists()
    told, value = asked("train", "report", "dana", "--onto", "kim")
    assert told == "See training-dana-onto-kim.html. It shows faces: keep it private.\n"
    assert value["images_seen"] == 4
    page = folder / "training-dana-onto-kim.html"
    assert "dana onto kim" in page.read_text()
    assert page.stat().st_mode & 0o777 == 0o600
    page.unlink()

    pair = ("--likeness", "dana", "--performer", "kim")
    told, proxy = asked("generate", "plate.mp4", *pair, "--output", "shot.mp4")
    assert "Wrote the proxy shot.not-approved.mp4: a face was replaced in 8 of 8 frames" in told
    assert "It is not approved: dana must see it first." in told
    assert (proxy["is_proxy"], proxy["awaited"], proxy["requests"]) == (True, ["dana"], ["shot.dana.approval.toml"])
    approved = run("release", "approve", "shot.dana.approval.toml", "--key", "dana.key")
    assert "You approved it. Wrote shot.dana.decision.toml." in approved
    assert "dana approved this result." in run("release", "add", "shot.dana.decision.toml")
    assert not (folder / "shot.mp4").exists()

    told, published = asked("generate", "plate.mp4", *pair, "--output", "shot.mp4")
    # One line for each finished task, and nothing else: no bars in a pipe.
    assert len(told.splitlines()) == 2
    assert told.endswith(
        "Published shot.mp4: a face was replaced in 8 of 8 frames, drawn from 13 faces of dana, after training. "
        "Next: `countenance verify shot.mp4`.\n"
    )
    digests = {"sha256", "manifest", "permit"}
    assert set(published) == {
        "output",
        "log_index",
        "frames",
        "altered_frames",
        "plate_frames",
        "unaltered_spans_s",
        "faded_spans_s",
        "covered_spans_s",
        "drawn_with",
        "references",
        *digests,
    }
    assert (published["output"], published["frames"], published["altered_frames"]) == ("shot.mp4", 8, 8)

    _, report = asked("verify", "shot.mp4")
    assert report["sha256"] == published["sha256"]
    states = {finding["about"]: finding["state"] for finding in report["findings"]}
    signed = {"credentials": "trusted", "log": "valid", "edits": "trusted", "watermark": "trusted"}
    # What the detector says of a few frames isn't the flow's matter, only that it is asked.
    assert states == {**signed, "traces": states["traces"], "signal": states["signal"]}
    shown = countenance(folder, "verify", "shot.mp4").stdout
    assert "A face was replaced by a generated one in 8 of 8 frames." in shown
    assert max(len(line) for line in shown.splitlines()) <= 80

    told, value = asked("log", "check")
    (signer,) = value.pop("signers")
    assert signer.pop("key") in told
    number, last = published["log_index"], value["entries"]
    assert signer == {"is_this_computer": True, "entries": last, "first": 1, "last": last}
    assert value == {"entries": last, "remembered": last, "clock_set_back_at": [], "anchors": []}
    assert "None is altered" in told
    told, value = asked("log", "export", "--head-only", "--output", "head.json")
    assert (value["path"], value["entries"], value["whole"]) == ("head.json", last, False)
    assert value["digest"] in told
    told, value = asked("log", "check", "--anchor", "head.json", "--anchor", "shot.mp4")
    assert [(each["path"], each["entry"]) for each in value["anchors"]] == [
        ("head.json", last),
        ("shot.mp4", number - 1),
    ]
    assert f"The log goes on from shot.mp4 (a file that was published): entry {number - 1}." in told
    told, value = asked("marks", "export", "studio.marks.jsonl")
    # The proxy and the published file.
    assert value == {"path": "studio.marks.jsonl", "files": 2}
    _, listed = asked("release", "list")
    assert (listed["title"], listed["use"]) == ("Winter", "film")
    told, value = asked("forget", "dana")
    assert not value["deleted"]
    assert "Nothing was deleted." in told
    hidden = {path.name for path in folder.iterdir() if path.name.startswith(".")}
    assert hidden == {".countenance.lock"}
