import json
from pathlib import Path

from tests.support.desk import Desk
from tests.support.videos import grey


def test_report_with_a_plate(trained: Desk) -> None:
    words = ("coverage", "dana", "--plate", trained.folder / "plate.mp4", "--performer", "kim", "--json")
    ended = trained.do(*words)
    folder = trained.project / "coverage-dana"
    document = json.loads(ended.out)
    assert document == json.loads((folder / "coverage.json").read_bytes())
    assert (document["person"], document["plate"]["performer"], document["plate"]["num_frames"]) == ("dana", "kim", 16)
    assert document["verdict"] in ended.err
    assert all(f"- {advice['lacks']} {advice['shoot']}" in ended.err for advice in document["advice"])
    assert "keep it private" in ended.err
    assert trained.run(*words).error.endswith("choose another --output, or add --overwrite")
    trained.do(*words, "--overwrite", "--set", "coverage.near_deg=90")
    assert json.loads((folder / "coverage.json").read_bytes())["plate"]["pose"] == 1
    trained.check()


def test_report_without_a_plate(trained: Desk) -> None:
    ended = trained.do("coverage", "dana", "--output", "deep/report")
    assert ended.out == ""
    assert json.loads((trained.project / "deep" / "report" / "coverage.json").read_bytes())["plate"] is None


def test_what_cant_be_done_is_said_in_one_line(trained: Desk) -> None:
    plate = trained.folder / "plate.mp4"
    nobody, taken = trained.folder / "grey.mp4", trained.folder / "taken"
    grey(nobody)
    taken.write_text("a file")
    before = trained.traces()
    wrong: list[tuple[tuple[str | Path, ...], int, str]] = [
        (("dana", "--plate", plate), 2, "--plate needs --performer"),
        (("dana", "--performer", "kim"), 2, "--performer needs --plate"),
        (("dana", "--output", taken), 2, "is a file"),
        (("dana", "--set", "coverage.near=1"), 2, "unknown setting coverage.near"),
        (
            ("dana", "--set", "coverage.min_near=0"),
            2,
            "coverage.min_near: expected a whole number from 1 to 1,000, got 0",
        ),
        (("eve",), 3, "no release of eve"),
        (("../dana",), 3, "no release of ../dana"),
        (("dana", "--plate", plate, "--performer", "eve"), 3, "no release of eve"),
        (("dana", "--plate", "nothing.mp4", "--performer", "kim"), 4, "nothing.mp4"),
        (("dana", "--plate", nobody, "--performer", "kim"), 4, "no face was found in grey.mp4"),
    ]
    for words, code, line in wrong:
        ended = trained.run("coverage", *words)
        assert (ended.code, line in ended.error) == (code, True), ended.err
    assert trained.traces() == before


def test_nothing_prepared_yet(collected: Desk) -> None:
    ended = collected.run("coverage", "dana")
    assert ended.code == 4
    assert "countenance prepare dana" in ended.error
