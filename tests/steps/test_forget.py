"""What is kept of a person is deleted for good, and a whole search of the disk finds nothing but what was agreed."""

import base64
import json
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from countenance import ledger
from countenance.consent import retention
from countenance.consent.drafting import new_revocation
from countenance.consent.permit import grant, grant_prepare
from countenance.consent.register import (
    FORGETTING,
    FORGOTTEN,
    KnownRelease,
    add_release,
    known_releases,
    state_of,
    templates,
)
from countenance.coverage.aspects import CoverageConfig
from countenance.database import DATABASE_NAME
from countenance.errors import ConsentError, UsageError
from countenance.faces.answers import answer
from countenance.faces.faceset import open_face_set
from countenance.faces.portrait import template_of
from countenance.faces.store import stored_faces
from countenance.jobs import add, list_jobs
from countenance.model.checkpoint import model_folder
from countenance.progress import Silent
from countenance.project import SETTINGS_NAME, Project
from countenance.provenance.record import read_record
from countenance.review.query import FaceQuery
from countenance.steps import forget as forget_module
from countenance.steps.approval import request_path
from countenance.steps.collect import collect
from countenance.steps.cover import cover, write_report
from countenance.steps.forget import ending_soon, forget_person, forget_what_is_over, holdings_of
from countenance.steps.recognise import recognise_performer
from countenance.steps.report import report_training
from countenance.steps.review import export_faces, show_faces
from countenance.steps.shots import hold_frames
from countenance.steps.verify import report_page, verify
from countenance.types import Rejection
from tests.support.made_up import add_track
from tests.support.production import LABELLED, LIKENESS, PERFORMER, Production, copied, open_production
from tests.support.videos import frames_of, write_video

BOTH = (LIKENESS, PERFORMER)
NUM_FRAMES = 4
PIECE = 128
"""Bytes of a longer value: a database cuts it into pages."""
CONFIG = replace(LABELLED, model="base", preset="draft")


@pytest.fixture(scope="module")
def used_folder(trained_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which everything was done that leaves a face somewhere."""
    folder = tmp_path_factory.mktemp("used") / "production"
    shutil.copytree(trained_folder, folder)
    with open_production(folder) as production:
        project, inside = production.project, production.project.folder
        plate = write_video(folder / "plate.mp4", frames_of("performance.mp4", NUM_FRAMES))
        production.generate(plate, folder / "shot.mp4", CONFIG)
        Image.fromarray(frames_of("performance.mp4", 1)[0]).save(folder / "frame.png")
        pair = grant(project, "generate", likeness=LIKENESS, performer=PERFORMER)
        hold_frames(project, plate, pair, [(0, folder / "frame.png")])
        for person in BOTH:
            permit = grant_prepare(project, person)
            answer(project, person, stored_faces(project, person)[:1], "keep")
            show_faces(
                project, person, permit, FaceQuery(), inside / f"{person}.png", overwrite=False, progress=Silent()
            )
            export_faces(project, person, permit, FaceQuery(), inside / "out" / person, progress=Silent())
            result = cover(project, person, permit, plate=None, config=CoverageConfig(), progress=Silent())
            write_report(project, permit, result, inside / f"coverage-{person}", overwrite=False)
        learned = grant(project, "train", likeness=LIKENESS, performer=PERFORMER)
        report_training(project, LIKENESS, PERFORMER, learned, inside / "training.html")
        kim, page = grant_prepare(project, PERFORMER), inside / "recognition.html"
        recognise_performer(project, folder / "shot.mp4", plate, PERFORMER, kim, page, progress=Silent())
        add(inside, ["collect", LIKENESS, "footage"])
        add(inside, ["train", LIKENESS, "--onto", PERFORMER])
        add(inside, ["collect", PERFORMER, "footage"])
        (inside / "renders" / "0123").mkdir(parents=True)
        (inside / "renders" / "0123" / "00000.nut").write_bytes(b"frames that show them")
        project.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (inside / "old").mkdir()
        for name in ("countenance.db.schema-4.bak", "old/copy.sqlite"):
            shutil.copyfile(inside / DATABASE_NAME, inside / name)
    return folder


@pytest.fixture
def used(used_folder: Path, tmp_path: Path) -> Iterator[Production]:
    with copied(used_folder, tmp_path / "production") as production:
        yield production


def biometrics_of(project: Project, person: str) -> set[bytes]:
    """Pieces of templates, embeddings, landmarks, crops and masks, as they are stored, and in other encodings."""
    database, pieces = project.database, set()
    vectors = [content for (content,) in database.execute("SELECT template FROM people WHERE name = ?", (person,))]
    query = "SELECT embedding FROM tracks JOIN scans ON scans.id = tracks.scan WHERE person = ?"
    vectors += [content for (content,) in database.execute(query, (person,))]
    query = "SELECT landmarks, crop, mask FROM faces JOIN scans ON scans.id = faces.scan WHERE person = ?"
    for landmarks, crop, mask in database.execute(query, (person,)):
        vectors.append(landmarks[:PIECE])
        # As exported faces have them.
        pieces.add(
            json.dumps(
                np.round(np.frombuffer(landmarks, np.float32)[:3].astype(float), 2).tolist(), separators=(",", ":")
            ).encode()
        )
        if crop:
            # The beginning is the same for all pictures.
            pieces |= {mask, crop[len(crop) // 2 :][:PIECE], crop[-PIECE - 12 : -12]}
    assert len(vectors) > 20
    for content in vectors:
        values = np.frombuffer(content, np.float32)
        pieces |= {content[:PIECE], values.astype(np.float16).tobytes()[:PIECE], values.astype(float).tobytes()[:PIECE]}
        pieces |= {base64.b64encode(content)[:PIECE], content[:PIECE].hex().encode()}
        pieces.add(json.dumps(values[:4].tolist())[1:-1].encode())
    return pieces


def hits(folder: Path, pieces: set[bytes]) -> set[str]:
    """Files below a folder in which one of these is found."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    contents = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
    return {name for name, content in contents.items() if any(piece in content for piece in pieces)}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def events(production: Production) -> list[str]:
    return [entry.event for entry in ledger.entries(production.project)]


@pytest.mark.parametrize("person", BOTH)
def test_a_search_of_the_disk_finds_nothing(used: Production, person: str) -> None:
    project, folder = used.project, used.project.folder
    needles = biometrics_of(project, person)
    kept_in = hits(folder, needles)
    assert {"countenance.db", "countenance.db.schema-4.bak", "old/copy.sqlite", f"out/{person}/faces.json"} <= kept_in
    forgotten = forget_person(project, person)
    assert hits(folder, needles) == set()
    assert hits(used.folder / "config", needles | {person.encode()}) == set()
    # The name stands in the database alone, and in no path.
    assert hits(folder, {person.encode()}) <= {DATABASE_NAME, f"{DATABASE_NAME}-wal"}
    assert not [path for path in folder.rglob("*") if person in path.name]
    tables = [name for (name,) in project.database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    named = {
        table
        for table in tables
        for row in project.database.execute(f"SELECT * FROM {table}")
        if any(person in str(value) for value in row)
    }
    assert named == {"log", "people", "releases"}
    rooms = (folder / room for room in ("models", "drawn", "renders", "shots"))
    assert not [path for room in rooms for path in room.rglob("*") if path.is_file()]
    assert project.database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert forgotten.naming == ()


@pytest.mark.parametrize("person", BOTH)
def test_what_is_of_others_stays(used: Production, person: str) -> None:
    (other,) = {*BOTH} - {person}
    project, folder = used.project, used.project.folder
    before, faces = open_face_set(project, other), biometrics_of(project, other)
    forget_person(project, person)
    assert open_face_set(project, other) == before
    assert [job.arguments for job in list_jobs(folder)] == [("collect", other, "footage")]
    assert DATABASE_NAME in hits(folder, faces)
    assert (folder / f"{other}.png").exists()
    assert (folder / f"coverage-{other}" / "coverage.html").exists()
    assert (folder / "out" / other / "faces.json").exists()
    assert not (folder / "training.html").exists()
    # It shows the performer with the likeness's face.
    assert not (folder / "recognition.html").exists()


def test_what_stays_is_told(used: Production) -> None:
    (used.project.folder / "notes.txt").write_text("to do")
    catalogue = sqlite3.connect(used.project.folder / "catalogue.db")
    catalogue.execute("CREATE TABLE lenses (name TEXT)")
    catalogue.close()
    holdings = holdings_of(used.project, LIKENESS)
    assert [path.name for path in holdings.footage] == [f"{LIKENESS}.mp4"]
    assert [path.name for path in holdings.published.values()] == ["shot.mp4"]
    assert {"notes.txt", "catalogue.db"} <= {path.name for path in holdings.others}
    assert not [path for path in holdings.others if LIKENESS in path.name]
    forget_person(used.project, LIKENESS)
    assert all(path.exists() for path in (*holdings.footage, *holdings.others))
    assert (used.folder / "shot.mp4").exists()


def test_looking_changes_nothing(used: Production) -> None:
    before = contents(used.folder)
    holdings = holdings_of(used.project, LIKENESS)
    assert contents(used.folder) == before
    counts = holdings.counts
    assert (counts["faces"], counts["clips"], counts["models"]) == (24, 1, 1)
    assert (counts["drawn_faces"], counts["held_frames"], counts["database_copies"]) == (1, 1, 2)


def test_a_signed_record_without_the_name_is_left(used: Production) -> None:
    (release,) = [each for each in known_releases(used.project) if each.release.subject.person == LIKENESS]
    counts = holdings_of(used.project, LIKENESS).counts
    forgotten = forget_person(used.project, LIKENESS)
    facts = read_record(forgotten.record)
    assert (facts["releases"], facts["deleted"], facts["why"]) == ([release.digest], counts, "asked")
    assert len(facts["published_before"]) == 1
    assert LIKENESS not in forgotten.record.read_text()
    assert forgotten.record.stat().st_mode & 0o777 == 0o600
    assert events(used)[-2:] == [FORGETTING, FORGOTTEN]
    ledger.check(used.project)
    altered = forgotten.record.read_text().replace('\\"faces\\":24', '\\"faces\\":0')
    assert altered != forgotten.record.read_text()
    forgotten.record.write_text(altered)
    with pytest.raises(Exception, match="was altered since it was signed"):
        read_record(forgotten.record)


def test_a_forgotten_release_allows_nothing_and_a_new_one_begins_afresh(used: Production) -> None:
    project, today = used.project, datetime.now(UTC)
    forget_person(project, PERFORMER)
    with pytest.raises(ConsentError, match=f"{PERFORMER} was forgotten on {today.day} {today:%B %Y}") as refused:
        grant(project, "generate", likeness=LIKENESS, performer=PERFORMER)
    assert refused.value.code == "consent.forgotten"
    with pytest.raises(ConsentError, match=f"{PERFORMER} was forgotten"):
        grant_prepare(project, PERFORMER)
    (old,) = [each for each in known_releases(project) if each.release.subject.person == PERFORMER]
    assert state_of(old, today) == "forgotten"
    assert PERFORMER not in templates(project)
    assert not add_release(project, used.release_of(PERFORMER), template_of).new
    with pytest.raises(UsageError, match=f"nothing is kept of {PERFORMER} here"):
        forget_person(project, PERFORMER)

    used.add(used.sign(PERFORMER))
    grant(project, "generate", likeness=LIKENESS, performer=PERFORMER)
    assert PERFORMER in templates(project)
    assert stored_faces(project, PERFORMER) == []
    assert holdings_of(project, PERFORMER).is_known


@pytest.mark.parametrize("at", ["erase", "_erase_rows", "overwrite_deleted", "signed_record"])
def test_one_that_was_killed_is_finished_by_the_next_run(
    used: Production, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    project, needles = used.project, biometrics_of(used.project, LIKENESS)
    counts = holdings_of(project, LIKENESS).counts

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(forget_module, at, killed)
        with pytest.raises(KeyboardInterrupt):
            forget_person(project, LIKENESS)
    with pytest.raises(ConsentError, match="was forgotten"):
        grant_prepare(project, LIKENESS)
    if at == "erase":
        forgotten = forget_person(project, LIKENESS)
    else:
        # Any other command that writes goes on with it, too.
        (forgotten,) = forget_what_is_over(project, datetime.now(UTC))
    assert read_record(forgotten.record)["deleted"] == counts
    assert hits(project.folder, needles) == set()
    assert [event for event in events(used) if event in (FORGETTING, FORGOTTEN)] == [FORGETTING, FORGOTTEN]
    assert forget_what_is_over(project, datetime.now(UTC)) == []


def test_each_table_is_decided_on(project: Project) -> None:
    """A table that is added is to be emptied of a person, too, or it is to be said in docs/forget.md why not."""
    erased = {"answers", "clips", "face_sets", "faces", "people", "runs", "scans", "stretches", "timelines", "tracks"}
    erased |= {"hidden_faces", "overviews", "statements"}
    rows = project.database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    assert {name for (name,) in rows} == erased | {"approvals", "log", "passed_footage", "published", "releases"}


def test_nobody_is_forgotten_who_isnt_known(used: Production) -> None:
    before = contents(used.project.folder)
    with pytest.raises(UsageError, match="nothing is kept of lee here"):
        forget_person(used.project, "lee")
    assert contents(used.project.folder) == before


def test_a_revoked_release_is_forgotten_like_any_other(trained: Production) -> None:
    trained.revoke(trained.release_of(LIKENESS))
    needles = biometrics_of(trained.project, LIKENESS)
    forget_person(trained.project, LIKENESS)
    assert hits(trained.project.folder, needles) == set()


def test_what_lies_in_rows_of_others_goes_too(trained: Production) -> None:
    """A track that waits for a review and may be the likeness's; and one that was taken for the performer's."""
    project, own = trained.project, templates(trained.project)
    cases: tuple[tuple[int, str, tuple[Rejection, ...]], ...] = (
        (1, LIKENESS, ("unsure who",)),
        (2, LIKENESS, ()),
        (3, PERFORMER, ()),
    )
    unsure, taken, theirs = (
        add_track(project, [frame], person=PERFORMER, embedding=own[whose], distance=0.4, rejections=reasons)[0]
        for frame, whose, reasons in cases
    )
    answer(project, PERFORMER, [unsure, theirs], "yes")
    assert {each.id for each in holdings_of(project, LIKENESS).tracks_of_others} == {unsure.track, taken.track}
    forgotten = forget_person(project, LIKENESS)
    assert forgotten.to_prepare == (PERFORMER,)
    left = {face.track for face in stored_faces(project, PERFORMER)}
    assert theirs.track in left
    assert not {unsure.track, taken.track} & left
    assert project.database.execute("SELECT frame FROM answers").fetchall() == [(3,)]


def test_a_name_that_a_user_set_is_taken_out(trained: Production) -> None:
    project, shots = trained.project, trained.project.folder / "shots" / "plate-01234567"
    settings = project.folder / SETTINGS_NAME
    text = settings.read_text()
    settings.write_text(f'{text}\n[shot]\nwho = "{PERFORMER}, lee"\n')
    shots.mkdir(parents=True)
    (shots / "0001.toml").write_text(f"who = '{PERFORMER}'\nsharpness = 0.2\n")
    (shots / "0002.toml").write_text(f"# {PERFORMER} wanted it so\nwho = '{PERFORMER}-2'\n")
    forgotten = forget_person(project, PERFORMER)
    assert settings.read_text() == f'{text}\n[shot]\nwho = "lee"\n'
    assert (shots / "0001.toml").read_text() == "who = 'nobody'\nsharpness = 0.2\n"
    assert forgotten.naming == (shots / "0002.toml",)


def test_pages_of_another_project_and_links_are_left_alone(used: Production) -> None:
    folder = used.project.folder
    (folder / "inner").mkdir()
    (folder / "inner" / SETTINGS_NAME).write_text("")
    for target in (folder / "inner" / "sheet.png", used.folder / "sheet.png"):
        shutil.copyfile(folder / f"{LIKENESS}.png", target)
    (folder / "linked.png").symlink_to(used.folder / "sheet.png")
    forget_person(used.project, LIKENESS)
    assert (folder / "inner" / "sheet.png").exists()
    with Image.open(used.folder / "sheet.png") as picture:
        picture.load()


def test_another_reader_of_the_database_is_told(trained: Production) -> None:
    path = trained.project.folder / DATABASE_NAME
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM faces").fetchone()
    trained.project.database.execute("PRAGMA busy_timeout = 100")
    with pytest.raises(UsageError, match="another command reads"):
        forget_person(trained.project, LIKENESS)
    reader.close()
    needles = {b"\x89PNG"}
    forget_person(trained.project, LIKENESS)
    forget_person(trained.project, PERFORMER)
    assert hits(trained.project.folder, needles) == set()


# Until when.


@pytest.fixture
def kept_until(monkeypatch: pytest.MonkeyPatch) -> dict[str, date]:
    """By person, the day that their releases name."""
    days: dict[str, date] = {}

    def last_day(known: Iterable[KnownRelease]) -> date | None:
        return next((days.get(each.release.subject.person) for each in known if each.forgotten_on is None), None)

    monkeypatch.setattr(retention, "last_day", last_day)
    return days


@pytest.mark.parametrize(("days_before", "warns"), [(15, False), (14, True), (0, True)])
def test_a_day_that_is_near_is_warned_of(
    trained: Production, kept_until: dict[str, date], days_before: int, warns: bool
) -> None:
    kept_until[LIKENESS] = date(2030, 3, 20)
    at = datetime(2030, 3, 20, 23, 59, tzinfo=UTC) - timedelta(days=days_before)
    assert forget_what_is_over(trained.project, at) == []
    told = " ".join(ending_soon(trained.project, at))
    assert (f"face data of {LIKENESS} may be kept until 20 March 2030" in told) == warns
    grant_prepare(trained.project, LIKENESS)


def test_after_that_day_they_are_forgotten_and_the_log_says_why(
    trained: Production, kept_until: dict[str, date]
) -> None:
    kept_until[LIKENESS] = date(2030, 3, 20)
    needles = biometrics_of(trained.project, LIKENESS)
    (forgotten,) = forget_what_is_over(trained.project, datetime(2030, 3, 21, tzinfo=UTC))
    assert forgotten.why == read_record(forgotten.record)["why"] == "kept until 2030-03-20"
    assert hits(trained.project.folder, needles) == set()
    assert not model_folder(trained.project, LIKENESS, PERFORMER).exists()
    assert forget_what_is_over(trained.project, datetime(2030, 3, 21, tzinfo=UTC)) == []


def keeping(known: KnownRelease, until: date | None) -> KnownRelease:
    data = known.release.data.model_copy(update={"kept_until": until})
    return replace(known, release=known.release.model_copy(update={"data": data}))


def test_a_later_release_can_name_a_later_day(released: Production) -> None:
    released.add(released.sign(LIKENESS, uses=("film",)))
    first, second = [each for each in known_releases(released.project) if each.release.subject.person == LIKENESS]
    early, late = date(2030, 3, 20), date(2031, 3, 20)
    revoked = replace(second, revocation=new_revocation(second.release, released.key(LIKENESS)))
    first, second, revoked = keeping(first, early), keeping(second, late), keeping(revoked, late)
    assert retention.last_day([first, second]) == late
    assert retention.last_day([first, revoked]) == early
    assert retention.last_day([revoked]) == late
    assert retention.last_day([replace(first, forgotten_on=early), second]) == late
    assert retention.last_day([first, keeping(second, None)]) == early
    assert retention.last_day([keeping(second, None)]) is None


def test_dropped_files_belong_to_the_project_and_go(trained: Production) -> None:
    """Not those of others, and not what lies elsewhere, from where it was only chosen."""
    project, elsewhere = trained.project, trained.folder / f"{LIKENESS}.mp4"
    dropped = {person: project.folder / "dropped" / person / "take.mp4" for person in BOTH}
    for person, path in dropped.items():
        path.parent.mkdir(parents=True)
        shutil.copyfile(trained.folder / f"{person}.mp4", path)
    refused, part = (dropped[LIKENESS].with_name(name) for name in ("letter.txt", ".a1b2.part"))
    for path in (refused, part):
        path.write_bytes(b"Dear Zuri")
    collect(project, LIKENESS, [dropped[LIKENESS]], progress=Silent())
    holdings = holdings_of(project, LIKENESS)
    assert holdings.folders["dropped_files"] == (part, refused, dropped[LIKENESS])
    assert holdings.counts["dropped_files"] == 3
    assert not {*holdings.footage, *holdings.others} & {*dropped.values(), refused, part}
    forgotten = forget_person(project, LIKENESS)
    assert forgotten.erased["dropped_files"] == 3
    assert [path for path in (project.folder / "dropped").rglob("*") if path.is_file()] == [dropped[PERFORMER]]
    assert not dropped[LIKENESS].parent.exists()
    assert elsewhere.exists()


def test_somebody_of_whom_only_a_dropped_file_is_kept_is_known(project: Project) -> None:
    path = project.folder / "dropped" / "dana" / "take.mp4"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"film")
    assert holdings_of(project, "dana").is_known
    assert not holdings_of(project, "kim").is_known


def test_a_link_in_place_of_dropped_files_is_refused(project: Project, tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "dana").mkdir(parents=True)
    (project.folder / "dropped").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="is a link to"):
        holdings_of(project, "dana")


def test_reports_on_published_files_go_with_them(used: Production) -> None:
    """Those of the studio, which show frames; a report on another file stays."""
    folder = used.project.folder / "verified"
    for name, path in (("ours", used.folder / "shot.mp4"), ("another", used.folder / f"{PERFORMER}.mp4")):
        (folder / name).mkdir(parents=True)
        examination = verify(path, used.project, with_pictures=True)
        (folder / name / "report.html").write_text(report_page(examination, made_at=datetime.now(UTC)))
    forget_person(used.project, LIKENESS)
    assert [path.parent.name for path in folder.rglob("*.html")] == ["another"]


def test_a_report_goes_whole_with_what_was_dropped_for_it(used: Production) -> None:
    room = used.project.folder / "verified"
    for name, title in (("theirs", f"{LIKENESS}.mov"), ("another", "street.mov")):
        (room / name / "dropped").mkdir(parents=True)
        (room / name / "dropped" / "file.mov").write_bytes(b"film")
        (room / name / "check.json").write_text(json.dumps({"title": title}))
    report = report_page(verify(used.folder / "shot.mp4", used.project, with_pictures=True), made_at=datetime.now(UTC))
    (room / "list" / "report-files").mkdir(parents=True)
    (room / "list" / "check.json").write_text(json.dumps({"title": "shot.mp4 and 1 more"}))
    (room / "list" / "report-files" / "0001-shot-mp4.html").write_text(report)
    assert holdings_of(used.project, LIKENESS).counts["reports"] == 2
    forget_person(used.project, LIKENESS)
    assert [path.name for path in room.iterdir()] == ["another"]
    assert (room / "another" / "dropped" / "file.mov").exists()


def test_previews_of_shots_go_with_the_requests_about_them(used: Production) -> None:
    project = used.project
    room = project.room("previews")
    preview, another = room / "0a1b-shot-0001.mp4", room / "2c3d-shot-0001.mp4"
    # A painted frame of another picture would be refused.
    shutil.rmtree(project.folder / "shots")
    used.generate(used.folder / "plate.mp4", preview, CONFIG, preview=True)
    request = request_path(preview, LIKENESS)
    for path in (another, request):
        path.write_bytes(b"kept")
    holdings = holdings_of(project, LIKENESS)
    assert holdings.folders["previews"] == (preview, request)
    assert [path.name for path in holdings.published.values()] == ["shot.mp4"]
    assert not {*holdings.others} & {preview, request}
    forget_person(project, LIKENESS)
    assert [*room.iterdir()] == [another]
