import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import cv2
import pytest

from countenance import ledger
from countenance.consent.challenge import Challenge
from countenance.consent.document import read_release
from countenance.consent.release import check_signature
from countenance.demo.run import MADE, QUICK_DRAWING, TRAINING, run_demo
from countenance.errors import UsageError
from countenance.faces.statement import MAX_DISTANCE, about_paste
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.progress import Silent
from countenance.project import opened_to_read
from countenance.provenance.credentials import read_credentials
from countenance.steps.verify import verify

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the demo leaves, with small faces and a training too short to look at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COUNTENANCE_CONFIG", str(tmp_path_factory.mktemp("demo-config")))
        output = tmp_path_factory.mktemp("demo")
        training = replace(TRAINING, images=8, faces=4)
        run_demo(
            output,
            overwrite=False,
            progress=Silent(),
            should_stop=lambda: False,
            drawing=QUICK_DRAWING,
            training=training,
        )
    return output


def audio_packets(path: Path) -> list[bytes]:
    with av.open(path) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


@pytest.fixture(scope="module")
def report(demo: Path) -> dict[str, Any]:
    return dict(json.loads((demo / "report.json").read_text()))


def test_the_demo_leaves_what_it_promises(demo: Path) -> None:
    endings = (".mp4", ".not-approved.mp4", ".zuri.approval.toml", ".zuri.decision.toml")
    assert {path.name for path in demo.iterdir()} == {
        *(f"{name}{ending}" for name in ("published", "trained") for ending in endings),
        *("project", "journey", "zuri.challenge.html", "zuri.key", "comparison.png", "preview.png", "report.json"),
    }
    assert {path.name for path in demo.iterdir()} == set(MADE)
    assert (demo / "zuri.key").stat().st_mode & 0o777 == 0o600
    comparison = cv2.imread(str(demo / "comparison.png"))
    assert comparison is not None
    assert comparison.shape[1] == 6 * 256
    # Plate, result, what was trained, truth.
    assert comparison.shape[0] > 4 * 256


def test_the_likeness_s_release_asks_for_approval_and_the_performer_s_is_of_the_first_form(demo_data: Path) -> None:
    zuri, kofi = (read_release(demo_data / f"{person}.release.toml") for person in ("zuri", "kofi"))
    assert (zuri.first_version, zuri.subject.synthetic, zuri.approval.needed) == (2, True, True)
    assert (kofi.first_version, kofi.subject.synthetic, kofi.approval.needed) == (1, True, False)
    for release in (zuri, kofi):
        check_signature(release)


def test_the_statement_is_hers_and_answers_the_page(demo: Path, report: dict[str, Any]) -> None:
    statement = report["statement"]
    assert statement["distance"] < MAX_DISTANCE - 0.05
    challenge = Challenge(release=statement["release"], nonce=statement["nonce"])
    assert challenge.code in (demo / "zuri.challenge.html").read_text()
    assert [turn for turn, _ in statement["turned"]] == statement["turns"] == list(challenge.turns)
    assert not list(about_paste(statement["figures"]))


def test_nothing_is_published_before_she_has_approved_it(demo: Path, report: dict[str, Any]) -> None:
    approval, events = report["approval"], report["log"]["events"]
    assert (approval["person"], approval["verdict"]) == ("zuri", "approved")
    claims = [read_credentials(demo / name, None).claim for name in (approval["proxy"], "published.mp4")]
    assert [claim and claim.is_proxy for claim in claims] == [True, False]
    assert claims[0] is not None
    assert claims[0].result_digest == approval["result"]
    assert [claim and claim.approval == "given" for claim in claims] == [False, True]
    published = [event for event in events if event in ("published", "result.approved")]
    assert published == ["published", "result.approved", "published"] * 2


def test_copies_are_known_by_their_watermark_as_long_as_they_are_large_enough(report: dict[str, Any]) -> None:
    states = {
        station["file"]: {finding["about"]: finding["state"] for finding in station["findings"]}
        for station in report["journey"]
    }
    assert list(states) == ["stripped.mp4", "crf28.mp4", "cut.mp4", "half.mp4"]
    for name, found in states.items():
        assert found["credentials"] == "missing", name
        assert found["log"] == "unknown", name
    for name in ("stripped.mp4", "crf28.mp4", "cut.mp4"):
        assert (states[name]["watermark"], states[name]["edits"]) == ("trusted", "unknown"), name
    assert (states["half.mp4"]["watermark"], states["half.mp4"]["edits"]) == ("missing", "missing")


def test_the_log_holds(demo: Path, report: dict[str, Any]) -> None:
    events = report["log"]["events"]
    assert report["log"]["entries"] == len(events)
    assert [event for event in events if event.startswith("statement")] == ["statement.asked", "statement.accepted"]
    with opened_to_read(demo / "project") as project:
        assert [entry.event for entry in ledger.entries(project)] == events


def test_published_has_the_plates_frames_times_and_sound(demo: Path, demo_data: Path) -> None:
    plate, published = probe(demo_data / "performance.mp4"), probe(demo / "published.mp4")
    assert published.num_frames == plate.num_frames == 96
    assert published.resolution_wh == plate.resolution_wh
    times = [[frame.time for frame in read_frames(info)] for info in (plate, published)]
    assert times[0] == times[1]
    assert audio_packets(plate.path) == audio_packets(published.path)


def test_report_prints_the_distances_of_plate_and_result(report: dict[str, Any]) -> None:
    identity = report["identity"]
    assert identity["frames_compared"] == 96
    assert 0.38 < identity["plate_distance"] < 0.48
    assert 0.28 < identity["truth_distance"] < 0.36
    # Without any training the face is hers rather than his; after eight images of training nothing is said of it.
    assert identity["result_distance"] < 0.36
    assert identity["nearer_fraction"] > 0.95
    assert report["training"]["drawn_with"] == "trained"
    assert report["training"]["identity"]["result_distance"] == pytest.approx(identity["result_distance"], abs=0.02)
    assert report["published"]["num_altered_frames"] == 96
    assert report["faces"]["zuri"]["num_faces"] > 230
    states = {finding["about"]: finding["state"] for finding in report["findings"]}
    signed = {"credentials": "trusted", "log": "valid", "edits": "trusted", "watermark": "trusted"}
    assert states == {**signed, "traces": "noticed"}


def test_a_flipped_byte_of_the_published_file_is_told(demo: Path, tmp_path: Path) -> None:
    content = bytearray((demo / "published.mp4").read_bytes())
    content[len(content) - len(content) // 3] ^= 1
    altered = tmp_path / "altered.mp4"
    altered.write_bytes(content)
    credentials = verify(altered, None).report.findings[0]
    assert credentials.state == "invalid"
    assert "altered" in " ".join(credentials.reasons)


def test_only_what_a_demo_made_is_ever_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds something already"):
        run_demo(tmp_path, overwrite=False, progress=Silent(), should_stop=lambda: False)
    assert (tmp_path / "thesis.txt").read_text() == "mine"
    with pytest.raises(UsageError, match="is a file"):
        run_demo(tmp_path / "thesis.txt", overwrite=True, progress=Silent(), should_stop=lambda: False)
