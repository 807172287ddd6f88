import json
from dataclasses import replace
from pathlib import Path

import av
import cv2
import pytest

from countenance.demo.run import QUICK_DRAWING, TRAINING, run_demo
from countenance.errors import UsageError
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.progress import Silent
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


def test_the_demo_leaves_what_it_promises(demo: Path) -> None:
    assert sorted(path.name for path in demo.iterdir()) == [
        "comparison.png",
        "preview.png",
        "project",
        "published.mp4",
        "report.json",
        "trained.mp4",
    ]
    comparison = cv2.imread(str(demo / "comparison.png"))
    assert comparison is not None
    assert comparison.shape[1] == 6 * 256
    # Plate, result, what was trained, truth.
    assert comparison.shape[0] > 4 * 256


def test_published_has_the_plates_frames_times_and_sound(demo: Path, demo_data: Path) -> None:
    plate, published = probe(demo_data / "performance.mp4"), probe(demo / "published.mp4")
    assert published.num_frames == plate.num_frames == 96
    assert published.resolution_wh == plate.resolution_wh
    times = [[frame.time for frame in read_frames(info)] for info in (plate, published)]
    assert times[0] == times[1]
    assert audio_packets(plate.path) == audio_packets(published.path)


def test_report_prints_the_distances_of_plate_and_result(demo: Path) -> None:
    report = json.loads((demo / "report.json").read_text())
    identity = report["identity"]
    assert identity["frames_compared"] == 96
    assert 0.38 < identity["plate_distance"] < 0.48
    assert 0.28 < identity["truth_distance"] < 0.36
    # Without any training the face is hers rather than his; after eight images of training nothing is said of it.
    assert identity["result_distance"] < 0.36
    assert identity["nearer_fraction"] > 0.95
    assert report["training"]["identity"]["result_distance"] != identity["result_distance"]
    assert report["published"]["num_altered_frames"] == 96
    assert report["faces"]["zuri"]["num_faces"] > 230
    assert {finding["about"] for finding in report["findings"]} == {"credentials", "log", "edits", "watermark"}


def test_a_flipped_byte_of_the_published_file_is_told(demo: Path, tmp_path: Path) -> None:
    content = bytearray((demo / "published.mp4").read_bytes())
    content[len(content) - len(content) // 3] ^= 1
    altered = tmp_path / "altered.mp4"
    altered.write_bytes(content)
    credentials = verify(altered, None).findings[0]
    assert credentials.state == "invalid"
    assert "altered" in " ".join(credentials.reasons)


def test_only_what_a_demo_made_is_ever_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds something already"):
        run_demo(tmp_path, overwrite=False, progress=Silent(), should_stop=lambda: False)
    assert (tmp_path / "thesis.txt").read_text() == "mine"
    with pytest.raises(UsageError, match="is a file"):
        run_demo(tmp_path / "thesis.txt", overwrite=True, progress=Silent(), should_stop=lambda: False)
