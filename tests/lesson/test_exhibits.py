"""The exhibits are what their answers say, and the page plays them, asks, and answers last."""

import re
from collections.abc import Iterator
from pathlib import Path

import av
import pytest
from markupsafe import escape

from countenance.demo import data_folder
from countenance.errors import MediaError, UsageError
from countenance.lesson.exhibits import KINDS, Exhibit, answered, credentials_of, make_exhibits
from countenance.lesson.page import FOR_THE_CLASS, lesson_page
from countenance.lesson.run import Lesson, lesson_document, make_lesson
from countenance.media.probe import probe
from countenance.progress import Silent
from countenance.project import create, opened
from countenance.provenance.credentials import read_credentials
from countenance.provenance.keys import find_trust
from countenance.provenance.marks import find_mark
from countenance.types import Finding, Report
from tests.support.publishing import publish_as
from tests.support.videos import cut

NUM_FRAMES = 48
"""Of a short clip so small no mark outlives what the lesson does to it."""


@pytest.fixture(scope="module")
def exhibits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Exhibit]]:
    """Those of a published file in which nobody's face was replaced, so that it is made quickly."""
    folder = tmp_path_factory.mktemp("lesson")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COUNTENANCE_CONFIG", str(folder / "config"))
        plate = cut("performance", folder / "plate.mp4", num_frames=NUM_FRAMES)
        create(folder / "film", use="film", title=None)
        with opened(folder / "film") as project, project.writing():
            published = publish_as(project, plate, folder / "published.mp4").path
        (folder / "exhibits").mkdir()
        yield make_exhibits(published, folder / "exhibits", seed=1)


@pytest.fixture(autouse=True)
def users_folder(exhibits: list[Exhibit], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTENANCE_CONFIG", str(exhibits[0].path.parents[1] / "config"))


@pytest.fixture
def named(exhibits: list[Exhibit]) -> dict[str, Path]:
    return {each.kind.name: each.path for each in exhibits}


def test_each_exhibit_has_the_credentials_of_its_answer(named: dict[str, Path]) -> None:
    states = {name: read_credentials(path, find_trust()).state for name, path in named.items()}
    signed = {"result": "trusted", "transplanted": "invalid"}
    assert states == {each.name: signed.get(each.name, "missing") for each in KINDS}
    assert "made for another file" in read_credentials(named["transplanted"], find_trust()).reasons[0]


@pytest.mark.parametrize("name", ["result", "stripped", "re-encoded"])
def test_whatever_shows_the_published_pictures_carries_their_mark(named: dict[str, Path], name: str) -> None:
    reading = find_mark(probe(named[name]))
    claim = read_credentials(named["result"], find_trust()).claim
    assert reading is not None
    assert claim is not None
    assert claim.watermark is not None
    assert claim.watermark.id == f"{reading.mark_id:012x}"


def test_what_is_called_untouched_is(named: dict[str, Path]) -> None:
    for name, source in (("plate", "performance.mp4"), ("untouched", "zuri_training.mp4")):
        assert named[name].read_bytes() == (data_folder() / source).read_bytes()
    other = (data_folder() / "mira_training.mp4").read_bytes()
    assert named["transplanted"].read_bytes().startswith(other)
    assert packets(named["transplanted"]) == packets(data_folder() / "mira_training.mp4")
    assert packets(named["stripped"]) == packets(named["result"])


def packets(path: Path) -> list[bytes]:
    with av.open(path) as container:
        return [bytes(packet) for packet in container.demux() if packet.size]


def test_the_rendered_one_has_the_performance_s_frames(named: dict[str, Path]) -> None:
    plate, rendered = probe(named["plate"]), probe(named["truth"])
    assert (rendered.num_frames, rendered.resolution_wh) == (plate.num_frames, plate.resolution_wh)


def test_the_seed_decides_the_order_and_names_say_nothing(exhibits: list[Exhibit]) -> None:
    assert [each.path.name for each in exhibits] == [f"exhibit-{number}.mp4" for number in range(1, 8)]
    assert {each.kind.name for each in exhibits} == {kind.name for kind in KINDS}
    assert [each.kind.name for each in exhibits] != [kind.name for kind in KINDS]


def test_a_file_without_credentials_has_none_to_transplant(named: dict[str, Path]) -> None:
    with pytest.raises(MediaError, match="holds no credentials"):
        credentials_of(named["plate"])


@pytest.fixture
def page(exhibits: list[Exhibit]) -> str:
    finding = Finding(about="watermark", state="invalid", summary="It was <moved>.", reasons=("one reason",))
    log = Finding(about="log", state="missing", summary="No project log was checked.")
    return lesson_page(
        [(each, Report(path=each.path, sha256="ab" * 32, findings=(log, finding))) for each in exhibits],
        {each.number: f"reports/{each.path.stem}.html" for each in exhibits},
        version="1",
    )


def test_the_page_plays_the_exhibits_and_gives_no_answer_before_the_questions(
    page: str, exhibits: list[Exhibit]
) -> None:
    look, judgement, check, answers = re.split(r"<h2>(?:Your judgement|2\. Check|3\. Answers)</h2>", page)
    for exhibit in exhibits:
        assert f'src="exhibits/{exhibit.path.name}"' in look
        assert f"Exhibit {exhibit.number}</td>" in judgement
        assert f"in exhibit {exhibit.number}</summary>" in check
        assert f'href="reports/{exhibit.path.stem}.html"' in check
        assert f"Exhibit {exhibit.number}. Altered? {exhibit.kind.is_altered}." in answers
    assert all(str(escape(question)) in look for question in FOR_THE_CLASS)
    assert len(re.findall(r'<img src="data:image/jpeg', look)) == 4 * len(exhibits)
    # Nothing is open before it is clicked, and no name of an exhibit's kind is in what comes before the answers.
    assert "<details open" not in page
    assert not any(word in look + judgement + check for word in ("stripped", "transplanted", "plate.mp4"))
    assert "It was &lt;moved&gt;." in check
    assert "Found, but it doesn&#39;t belong to this footage." in check
    assert "No project log" not in page


def test_the_page_has_no_scripts_and_asks_nothing_of_a_network(page: str) -> None:
    assert "<script" not in page
    assert not re.search(r'(?:src|href)="(?!data:|exhibits/|reports/|#)', page)
    assert "default-src 'none'" in page


def test_answers_name_numbers(exhibits: list[Exhibit], page: str) -> None:
    numbers = {each.kind.name: each.number for each in exhibits}
    for kind in KINDS:
        for text in (kind.what, kind.tells, kind.unknown):
            assert "{" not in answered(text, exhibits)
    assert f"The plate (exhibit {numbers['plate']}) with another person&#39;s face" in page
    assert "{" not in page.split("</style>")[1]


def test_only_what_a_lesson_made_is_ever_replaced(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(UsageError, match="holds something already"):
        make_lesson(tmp_path, seed=1, overwrite=False, progress=Silent(), should_stop=lambda: False)
    assert (tmp_path / "index.html").read_text() == "mine"


def test_what_is_no_lesson_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "year.txt").write_text("mine")
    with pytest.raises(UsageError, match="no project of an earlier run"):
        make_lesson(tmp_path, seed=1, overwrite=True, progress=Silent(), should_stop=lambda: False)
    assert (tmp_path / "reports" / "year.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("finding", "colour"),
    [
        (Finding(about="credentials", state="trusted", summary="."), "trusted"),
        (Finding(about="edits", state="trusted", summary="."), "noticed"),
        (Finding(about="watermark", state="valid", summary="."), "noticed"),
        (Finding(about="signal", state="noticed", summary="."), "noticed"),
        (Finding(about="signal", state="inconclusive", summary="."), "inconclusive"),
    ],
)
def test_what_was_altered_is_never_in_the_colour_of_what_is_well(
    exhibits: list[Exhibit], finding: Finding, colour: str
) -> None:
    report = Report(path=exhibits[0].path, sha256="ab" * 32, findings=(finding,))
    page = lesson_page(
        [(each, report) for each in exhibits], dict.fromkeys((each.number for each in exhibits), "r"), version="1"
    )
    assert set(re.findall(r'<span class="state s-(\w+)">', page)) == {colour}
    good = re.search(r"(.*)\{ color: var\(--have\)", page.partition(".found .state")[2])
    assert good is not None
    assert set(re.findall(r"s-(\w+)", good[1])) == {"trusted", "valid"}


def test_programs_are_told_what_each_exhibit_is(exhibits: list[Exhibit], tmp_path: Path) -> None:
    examined = [(each, Report(path=each.path, sha256="ab" * 32, findings=())) for each in exhibits]
    document = lesson_document(Lesson(page=tmp_path / "index.html", seed=1, examined=examined))
    assert [each["number"] for each in document["exhibits"]] == list(range(1, 8))
    assert {each["what"] for each in document["exhibits"]} == {kind.name for kind in KINDS}
