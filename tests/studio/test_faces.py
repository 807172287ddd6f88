"""The page Faces: what it shows, for how long, and that what is done on it is what the commands do."""

import base64
import json
import time
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from httpx import Response
from starlette.applications import Starlette

from countenance import jobs
from countenance.consent.permit import grant_prepare
from countenance.coverage.aspects import CoverageConfig
from countenance.errors import ConsentError, FaceError
from countenance.faces.faceset import open_face_set
from countenance.faces.store import StoredFace, read_crop, read_visible
from countenance.footage import known_clips
from countenance.progress import Silent
from countenance.review.query import FaceQuery, Range, choose, state_of
from countenance.steps import browse, review
from countenance.steps.cover import cover, write_report
from countenance.steps.review import found_faces
from countenance.studio import galleries
from countenance.studio.safety import CSRF_FIELD, REPORT_POLICY
from tests.studio.conftest import PlateDesk
from tests.support.production import EVERY_FACE, LIKENESS, PERFORMER

AT = f"/faces/{LIKENESS}"
FOR_SCRIPT = {"accept": "application/json"}
SHOWN = ("rows", "summary", "waiting", "coverage", "coverage/page", "{name}.jpg", "{name}.mask.png", "{name}.json")
"""Everything that shows or tells something of a face."""


@pytest.fixture
def no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs are added, and nobody works through them."""
    monkeypatch.setattr(jobs, "start_worker", lambda _: True)


def faces_of(desk: PlateDesk) -> list[StoredFace]:
    project = desk.production.project
    return found_faces(project, LIKENESS, grant_prepare(project, LIKENESS)).faces


def asked(desk: PlateDesk, what: str) -> Any:
    answer = desk.browser.get(f"{AT}/{what}", headers=FOR_SCRIPT)
    assert answer.status_code == 200, answer.text
    return answer.json()


def posted(desk: PlateDesk, what: str, **fields: str) -> Response:
    data = {CSRF_FIELD: desk.browser.studio.csrf, "once": "a", **fields}
    answer: Response = desk.browser.post(f"{AT}/{what}", data=data, headers=FOR_SCRIPT)
    return answer


def refused(answer: Response) -> str:
    assert answer.status_code in (400, 403), answer.text
    return str(answer.json()["error"]["message"])


def decided(desk: PlateDesk) -> list[tuple[int, str]]:
    rows = desk.production.project.database.execute("SELECT frame, word FROM answers WHERE person = ?", (LIKENESS,))
    return rows.fetchall()


def decoded(answer: Response) -> np.ndarray:
    """The picture that was sent, as RGB or grey."""
    pixels = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_UNCHANGED)
    assert pixels is not None
    return pixels[..., ::-1] if pixels.ndim == 3 else pixels


def in_base_64(grey: np.ndarray) -> str:
    return base64.b64encode(cv2.imencode(".png", grey)[1].tobytes()).decode()


@pytest.mark.parametrize(
    ("address", "query"),
    [
        ("", FaceQuery()),
        ("sort=yaw", FaceQuery(sort="yaw")),
        ("sort=blur&reverse=1", FaceQuery(sort="blur", reverse=True)),
        ("where=kept&sort=mouth", FaceQuery(where="kept", sort="mouth")),
        ("where=left-out", FaceQuery(where="left-out")),
        ("range=yaw%3D-20..10&clip=zuri.mp4", FaceQuery(ranges=(Range(measure="yaw", low=-20, high=10),))),
    ],
)
def test_the_sheet_shows_what_the_command_lists(desk: PlateDesk, address: str, query: FaceQuery) -> None:
    posted(desk, "decide", drop=faces_of(desk)[0].name)
    expected = choose(faces_of(desk), known_clips(desk.production.project, LIKENESS), query)
    found = asked(desk, f"rows?{address}&count=500")
    assert [row["name"] for row in found["faces"]] == [face.name for face in expected]
    assert [row["state"] for row in found["faces"]] == [state_of(face) for face in expected]
    assert found["total"] == len(expected)
    pieces = [asked(desk, f"rows?{address}&begin={begin}&count=5")["faces"] for begin in range(0, 15, 5)]
    assert [row for piece in pieces for row in piece] == found["faces"]
    assert asked(desk, f"summary?{address}")["total"] == len(expected)


def test_the_counts_are_those_of_the_other_filters(desk: PlateDesk) -> None:
    first, second, *rest = faces_of(desk)
    posted(desk, "decide", drop=f"{first.name} {second.name}")
    found = asked(desk, "summary?where=kept&sort=size")
    assert {each["value"]: each["count"] for each in found["states"]} == {"kept": len(rest), "left-out": 2}
    assert [(each["value"], each["count"]) for each in found["reasons"]] == [("dropped", 2)]
    assert [(each["title"], each["count"]) for each in found["clips"]] == [("zuri.mp4", len(rest) + 2)]
    assert sum(found["histogram"]["counts"]) == found["total"] == len(rest)
    narrow = asked(desk, f"summary?range=frame%3D..{first.frame}")
    assert [(each["value"], each["count"]) for each in narrow["states"]] == [("left-out", 1)]


@pytest.mark.parametrize(
    "address",
    [
        *("rows?sort=beauty", "rows?count=0", "rows?count=501", "rows?begin=-1", "rows?begin=x", "rows?where=pretty"),
        *("rows?range=yaw", "rows?clip=nothing.mp4", "summary?range=beauty%3D1..2", "0123456789ab-000001-1-1.json"),
        *("..%2Fcountenance.db.jpg", "0123456789ab-000001-1-1.jpg", "x.mask.png", "0123456789ab-000001-1-1.jpg?size=a"),
    ],
)
def test_what_cannot_be_shown_is_said(desk: PlateDesk, address: str) -> None:
    answer = desk.browser.get(f"{AT}/{address}", headers=FOR_SCRIPT)
    assert answer.status_code in (400, 404)
    assert answer.json()["error"]["message"]


def test_a_face_is_shown_as_it_is_stored(desk: PlateDesk) -> None:
    project, face = desk.production.project, faces_of(desk)[3]
    small = desk.browser.get(f"{AT}/{face.name}.jpg?size=96")
    assert (small.headers["content-type"], small.headers["cache-control"]) == ("image/jpeg", "no-store")
    assert decoded(small).shape == (96, 96, 3)
    crop = decoded(desk.browser.get(f"{AT}/{face.name}.jpg?size=1024"))
    assert np.abs(crop.astype(int) - read_crop(project, face.id)).mean() < 3
    mask = decoded(desk.browser.get(f"{AT}/{face.name}.mask.png"))
    np.testing.assert_allclose(mask / 255, read_visible(project, face.id), atol=0.002)
    known = asked(desk, f"{face.name}.json")
    np.testing.assert_array_equal(np.float32(known["landmarks"]), face.landmarks_xyz)
    assert known["side"] == len(crop)
    (yaw,) = [each["value"] for each in known["measures"] if each["name"] == "yaw"]
    assert yaw == face.quality.yaw_pitch_roll_deg[0]


def test_faces_are_gone_with_the_consent(desk: PlateDesk) -> None:
    name = faces_of(desk)[0].name
    project, permit = desk.production.project, grant_prepare(desk.production.project, LIKENESS)
    measured = cover(project, LIKENESS, permit, plate=None, config=CoverageConfig(), progress=Silent())
    write_report(project, permit, measured, project.folder / f"coverage-{LIKENESS}", overwrite=False)
    addresses = [AT, *(f"{AT}/{each.format(name=name)}" for each in SHOWN)]
    assert [desk.browser.get(address).status_code for address in addresses] == [200] * len(addresses)
    assert isinstance(desk.browser.app, Starlette)
    galleries = desk.browser.app.state.galleries
    assert LIKENESS in galleries.of
    desk.production.revoke(desk.production.release_of(LIKENESS))
    for address in addresses:
        answer = desk.browser.get(address, headers=FOR_SCRIPT)
        assert "was revoked" in refused(answer), address
    assert LIKENESS not in galleries.of
    for what in ("decide", "answer", f"{name}/correct", "coverage/measure"):
        assert "was revoked" in refused(
            posted(desk, what, drop=name, no="t123", landmarks=json.dumps([[0, 0, 0]] * 468))
        )
    shown = desk.browser.get("/faces").text
    assert "was revoked" in shown
    assert f"{AT}/" not in shown
    assert f"/faces/{PERFORMER}/" in shown
    assert decided(desk) == []


def test_nobody_without_a_release_is_shown(desk: PlateDesk) -> None:
    assert "no release of mira" in desk.browser.get("/faces/mira").text
    assert desk.browser.get("/faces/mira/rows").status_code == 400


def test_what_is_decided_holds_and_can_be_withdrawn(desk: PlateDesk) -> None:
    first, second, *rest = faces_of(desk)
    done = posted(desk, "decide", drop=f"{first.name} {second.name}")
    assert done.json() == {"num_kept": len(rest)}
    row = asked(desk, "rows?count=1")["faces"][0]
    assert (row["state"], row["reasons"], row["word"]) == ("left-out", ["dropped"], "drop")
    assert asked(desk, f"{first.name}.json")["why"][0]["remedy"] == "Keep it, or withdraw your decision."
    assert posted(desk, "decide", keep=first.name, reset=second.name).json() == {"num_kept": len(rest) + 2}
    assert [row["word"] for row in asked(desk, "rows?count=2")["faces"]] == ["keep", None]
    assert [word for _, word in decided(desk)] == ["drop", "keep"]
    assert open_face_set(desk.production.project, LIKENESS).num_faces == len(rest) + 2


def test_a_face_that_was_judged_against_is_judged_so_again(desk: PlateDesk) -> None:
    turned = faces_of(desk)[0]
    with pytest.raises(FaceError):
        desk.production.choose_again(LIKENESS, replace(EVERY_FACE, max_yaw_deg=0.0))
    assert posted(desk, "decide", keep=turned.name).json() == {"num_kept": 1}
    message = refused(posted(desk, "decide", reset=turned.name))
    assert "no usable face" in message
    assert "your decisions were saved" in message
    assert asked(desk, "rows?count=1")["faces"][0]["reasons"] == ["turned"]


@pytest.mark.parametrize("names", ["0123456789ab-000001-1-1", "", "nobody"])
def test_names_of_no_face_change_nothing(desk: PlateDesk, names: str) -> None:
    assert refused(posted(desk, "decide", keep=faces_of(desk)[0].name if names else "", drop=names))
    assert decided(desk) == []


@pytest.mark.parametrize("what", ["decide", "answer", "coverage/measure", "{name}/correct"])
def test_another_page_changes_nothing(desk: PlateDesk, what: str) -> None:
    name = faces_of(desk)[0].name
    fields = {CSRF_FIELD: "guessed", "once": "a", "drop": name, "no": "t1", "mask": "AAAA"}
    answer = desk.browser.post(f"{AT}/{what.format(name=name)}", data=fields, headers=FOR_SCRIPT)
    assert answer.status_code == 403
    assert decided(desk) == []
    assert jobs.list_jobs(desk.production.project.folder) == []


@pytest.mark.usefixtures("no_worker")
def test_decisions_on_very_many_faces_are_jobs(desk: PlateDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review, "QUICK_FACES", 3)
    first, second, third = (face.name for face in faces_of(desk)[:3])
    for _ in range(2):
        assert posted(desk, "decide", keep=first, drop=f"{second} {third}").json() == {"jobs": [1, 2]}
    added = [job.arguments for job in jobs.list_jobs(desk.production.project.folder)]
    assert added == [("faces", "keep", LIKENESS, first), ("faces", "drop", LIKENESS, second, third)]
    assert decided(desk) == []
    assert 'data-quick="no"' in desk.browser.get(AT).text


@pytest.fixture
def unsure(desk: PlateDesk) -> PlateDesk:
    """Nobody is near enough to be Zuri without a word."""
    with pytest.raises(FaceError):
        desk.production.choose_again(LIKENESS, replace(EVERY_FACE, max_distance=0.01))
    return desk


def test_a_yes_takes_a_track_in(unsure: PlateDesk) -> None:
    found = asked(unsure, "waiting")
    (track,) = found["tracks"]
    assert asked(unsure, "summary?where=kept")["num_tracks"] == 1
    assert (track["num_faces"], len(track["pictures"]), found["known"]) == (12, 6, [])
    assert unsure.browser.get(f"{AT}/{track['pictures'][0]['name']}.jpg").status_code == 200
    assert "can't be kept: it isn't decided yet" in refused(posted(unsure, "decide", keep=track["pictures"][0]["name"]))
    assert posted(unsure, "answer", yes=track["name"]).json() == {"num_kept": 12}
    found = asked(unsure, "waiting")
    assert (found["tracks"], len(found["known"])) == ([], 6)


def test_a_no_deletes_a_track(unsure: PlateDesk) -> None:
    (track,) = asked(unsure, "waiting")["tracks"]
    assert "both yes and no" in refused(posted(unsure, "answer", yes=track["name"], no=track["name"]))
    assert "no track here" in refused(posted(unsure, "answer", yes="t999999"))
    assert "your decisions were saved" in refused(posted(unsure, "answer", no=track["name"]))
    assert [word for _, word in decided(unsure)] == ["no"]
    page = unsure.browser.get(AT)
    assert (page.status_code, "No faces of zuri to show" in page.text) == (200, True)


@pytest.mark.usefixtures("no_worker")
def test_a_page_without_faces_says_what_goes_on(desk: PlateDesk) -> None:
    desk.production.project.database.execute("UPDATE faces SET rejections = NULL")
    assert "Preparing was stopped before its end" in desk.browser.get(AT).text
    jobs.add(desk.production.project.folder, ["prepare", LIKENESS])
    shown = desk.browser.get(AT).text
    assert "are looked for" in shown
    assert 'data-job="1"' in shown


@pytest.mark.usefixtures("no_worker")
def test_answers_on_very_many_faces_are_a_job(unsure: PlateDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review, "QUICK_FACES", 3)
    (track,) = asked(unsure, "waiting")["tracks"]
    posted(unsure, "answer", yes=track["name"])
    (job,) = jobs.list_jobs(unsure.production.project.folder)
    assert job.arguments == ("faces", "review", LIKENESS, "--yes", track["name"])


def test_a_painted_mask_is_seen_again(desk: PlateDesk) -> None:
    face = faces_of(desk)[2]
    side = len(read_crop(desk.production.project, face.id))
    mask = np.full((side, side), 255, np.uint8)
    mask[side // 2 :] = 0
    done = posted(desk, f"{face.name}/correct", mask=in_base_64(mask)).json()
    assert (done["jobs"], done["face"]["mask_by"]) == ([], "hand")
    seen = decoded(desk.browser.get(f"{AT}/{face.name}.mask.png"))
    assert np.abs(seen.astype(int) - mask).mean() < 2
    (hidden,) = [each["value"] for each in done["face"]["measures"] if each["name"] == "occlusion"]
    assert hidden > 0.35
    # Judged by its new mask, and the face set is whole again.
    assert done["face"]["reasons"] == ["covered"]
    assert open_face_set(desk.production.project, LIKENESS).num_faces == 11


def test_nudged_landmarks_are_seen_again(desk: PlateDesk) -> None:
    face = faces_of(desk)[2]
    before = asked(desk, f"{face.name}.json")
    points = [[x + 2, y, z] for x, y, z in before["landmarks"]]
    done = posted(desk, f"{face.name}/correct", landmarks=json.dumps(points)).json()["face"]
    np.testing.assert_allclose(done["landmarks"], points, atol=1e-3)
    assert done["version"] != before["version"]
    shift = np.array(done["to_crop"])[:, 2] - np.array(before["to_crop"])[:, 2]
    assert np.abs(shift).max() > 0.5
    # Its name tells its place; the old one still means it.
    assert asked(desk, f"{face.name}.json")["name"] == done["name"]
    assert open_face_set(desk.production.project, LIKENESS).num_faces == 12


@pytest.mark.usefixtures("no_worker")
def test_a_correction_of_very_many_faces_is_followed_by_a_job(desk: PlateDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review, "QUICK_FACES", 3)
    face = faces_of(desk)[2]
    mask = read_visible(desk.production.project, face.id)
    done = posted(desk, f"{face.name}/correct", mask=in_base_64(255 * (mask > 0.5).astype(np.uint8))).json()
    assert done["face"]["mask_by"] == "hand"
    (job,) = jobs.list_jobs(desk.production.project.folder)
    assert (job.number, job.arguments) == (done["jobs"][0], ("prepare", LIKENESS))
    with pytest.raises(FaceError, match="changed since their face set was made"):
        open_face_set(desk.production.project, LIKENESS)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, "expected new landmarks or a new mask"),
        ({"mask": "no base 64!"}, "as PNG in base 64"),
        ({"mask": base64.b64encode(b"no PNG").decode()}, "can't be read as PNG"),
        ({"mask": in_base_64(np.full((100, 100), 255, np.uint8))}, "expected the mask with 256×256"),
        ({"mask": in_base_64(np.full((512, 512), 255, np.uint8))}, "expected a mask of 256×256"),
        (
            {"mask": in_base_64(np.zeros((256, 256), np.uint8))},
            "leaves nothing of the face; to leave the face out, drop",
        ),
        ({"landmarks": "[[1, 2, 3]]"}, "expected 468 landmarks"),
        ({"landmarks": json.dumps([["NaN", 0, 0]] * 468)}, "expected 468 landmarks"),
        ({"landmarks": json.dumps([[5000, 5000, 0]] * 468)}, "have to stay on the face"),
        (
            {"landmarks": json.dumps([[0, 0, 0]] * 468), "mask": in_base_64(np.full((256, 256), 255, np.uint8))},
            "expected new landmarks or a new mask",
        ),
    ],
)
def test_a_correction_that_cannot_be_is_refused(desk: PlateDesk, fields: dict[str, str], told: str) -> None:
    face = faces_of(desk)[2]
    before = read_visible(desk.production.project, face.id)
    assert told in refused(posted(desk, f"{face.name}/correct", **fields))
    np.testing.assert_array_equal(read_visible(desk.production.project, face.id), before)


@pytest.mark.usefixtures("no_worker")
def test_coverage_is_measured_by_its_command_and_shown_with_its_age(desk: PlateDesk) -> None:
    project = desk.production.project
    assert asked(desk, "coverage") == {"report": None, "is_current": False}
    posted(desk, "coverage/measure")
    (job,) = jobs.list_jobs(project.folder)
    folder = project.folder / f"coverage-{LIKENESS}"
    assert job.arguments == ("coverage", LIKENESS, "--output", str(folder), "--overwrite")
    permit = grant_prepare(project, LIKENESS)
    measured = cover(project, LIKENESS, permit, plate=None, config=CoverageConfig(), progress=Silent())
    write_report(project, permit, measured, folder, overwrite=False)
    found = asked(desk, "coverage")
    assert (found["is_current"], found["report"]["num_kept"]) == (True, 12)
    report = desk.browser.get(f"{AT}/coverage/page")
    assert report.headers["content-security-policy"] == REPORT_POLICY
    assert measured.verdict in report.text
    posted(desk, "decide", drop=faces_of(desk)[0].name)
    assert asked(desk, "coverage")["is_current"] is False


def test_another_process_is_seen_at_once(desk: PlateDesk) -> None:
    version = asked(desk, "rows?count=1")["version"]
    assert asked(desk, "rows?count=1")["version"] == version
    desk.production.choose_again(LIKENESS, replace(EVERY_FACE, max_faces=5))
    found = asked(desk, "rows?where=spare&count=100")
    assert found["version"] != version
    assert found["total"] == 7


def test_few_people_are_held_and_only_as_long_as_consent_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = set[str]()

    class Fake:
        def __init__(self, _project: object, person: str, _permit: object) -> None:
            self.person = person

        def check(self) -> None:
            if self.person in ended:
                raise ConsentError(f"{self.person} revoked")

    monkeypatch.setattr(galleries, "Gallery", Fake)
    monkeypatch.setattr(galleries, "grant_prepare", lambda *_: None)
    opened: Any = galleries.Galleries()
    first = opened.open(None, "a")
    for person in ("b", "c", "d", "a", "e"):
        opened.open(None, person)
    assert list(opened.of) == ["c", "d", "a", "e"]
    assert opened.open(None, "a") is first
    ended |= {"c", "d"}
    opened.open(None, "e")
    assert list(opened.of) == ["a", "e"]


def test_thumbnails_are_forgotten_at_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browse, "THUMBNAIL_BYTES", 10)
    kept = browse._Thumbnails()
    for number in range(4):
        kept.add((bytes([number]), 96), b"1234")
        # Asked for again and again, it is kept.
        assert kept.find((b"\0", 96)) == b"1234"
    assert kept.num_bytes == 8
    assert [kept.find((bytes([number]), 96)) for number in range(1, 4)] == [None, None, b"1234"]


def test_twenty_thousand_faces_are_listed_in_a_moment(desk: PlateDesk) -> None:
    """On an idle machine each answer takes a tenth of the limit; see docs/studio.md."""
    database = desk.production.project.database
    row = database.execute(
        "SELECT scan, track, frame, landmarks, score, quality, mask_origin, rejections FROM faces JOIN scans"
        " ON scans.id = faces.scan WHERE person = ? AND purpose = 'prepare' ORDER BY faces.id LIMIT 1",
        (LIKENESS,),
    ).fetchone()
    scan, track, _, landmarks, score, quality, *rest = row
    measures = json.loads(quality)
    database.executemany(
        "INSERT INTO faces (scan, track, frame, landmarks, score, quality, mask_origin, rejections)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (scan, track, 1000 + number, landmarks, score, json.dumps({**measures, "sharpness": number % 997}), *rest)
            for number in range(20_000)
        ],
    )
    took = {}
    for address in (
        "",
        "/rows?begin=19000&count=100",
        "/summary",
        "/rows?sort=blur&reverse=1&count=100",
        "/summary?sort=blur",
    ):
        for turn in ("first", "again"):
            begun = time.perf_counter()
            answer = desk.browser.get(f"{AT}{address}")
            took[address, turn] = time.perf_counter() - begun
            assert answer.status_code == 200
    assert asked(desk, "rows?count=1")["total"] == 20_012
    assert max(seconds for (_, turn), seconds in took.items() if turn == "again") < 2, took
    assert max(took.values()) < 6, took
