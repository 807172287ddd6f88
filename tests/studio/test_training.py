"""The page Train: what it shows while permits hold, and the command that it starts."""

import io
import re
import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from countenance import jobs, ledger
from countenance.consent.permit import grant
from countenance.model.checkpoint import read_checkpoint
from countenance.model.record import append_metrics, preview_after, preview_images
from countenance.progress import Silent
from countenance.steps.standing import list_pairs, standing_of
from countenance.steps.train import train
from tests.steps.conftest import released, released_folder, trained, trained_folder  # noqa: F401
from tests.support.production import LIKENESS, PERFORMER, STRANGER, TRAINING, Production
from tests.support.studio import Browser, studio_on

PAIR = f"/train/{LIKENESS}/{PERFORMER}"
WHO = {"likeness": LIKENESS, "performer": PERFORMER}
JSON = {"accept": "application/json"}


@pytest.fixture(autouse=True)
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs are added; nobody works through them."""
    monkeypatch.setattr(jobs, "start_worker", lambda _: False)


@pytest.fixture
def browser(trained: Production) -> Iterator[Browser]:  # noqa: F811
    with Browser(studio_on(trained.project.folder)) as browser:
        yield browser


def rows(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def test_a_project_without_releases_says_what_is_missing(project) -> None:  # type: ignore[no-untyped-def]
    with Browser(studio_on(project.folder)) as browser:
        assert "Both need a release" in browser.get("/train").text


def test_each_likeness_is_listed_with_each_performer(released: Production) -> None:  # noqa: F811
    released.add(released.sign(STRANGER))
    pairs = list_pairs(released.project)
    assert [(pair.likeness.name, pair.performer.name) for pair in pairs] == [
        (LIKENESS, PERFORMER),
        (LIKENESS, STRANGER),
    ]
    assert all(pair.is_allowed and not pair.is_ready and not pair.is_trained for pair in pairs)
    with Browser(studio_on(released.project.folder)) as browser:
        html = browser.get("/train").text
        assert "Nothing learned yet: the base draws" in html
        assert "No training is needed" in html
        assert f"The faces of {LIKENESS} aren’t prepared yet" in html
        assert 'action="/train/start"' not in html
        answer = browser.submit("/train/start", **WHO)
        assert answer.status_code == 400
        assert "prepared" in answer.text
        assert not jobs.list_jobs(released.project.folder)


def test_what_was_learned_is_shown(trained: Production, browser: Browser) -> None:  # noqa: F811
    html = browser.get(PAIR).text
    assert f'<span class="names"><b>{LIKENESS}</b> onto {PERFORMER}</span>' in html
    assert "all images seen" in html
    assert f"{PERFORMER}’s face, put onto {LIKENESS}’s picture" in html
    assert "On the performer" in html
    assert "<polyline points=" in html
    checkpoint = read_checkpoint(standing_of(trained.project, LIKENESS, PERFORMER).guard.model_folder)
    assert checkpoint is not None
    assert f"{checkpoint.images_seen:,} <span" in html


def test_pictures_are_the_rows_of_what_was_drawn(trained: Production, browser: Browser) -> None:  # noqa: F811
    folder = standing_of(trained.project, LIKENESS, PERFORMER).guard.model_folder
    assert preview_images(folder) == [0, TRAINING.images]
    for images in (0, TRAINING.images):
        whole = preview_after(folder, images)
        size = whole.shape[1] // 3
        for row in range(whole.shape[0] // size):
            answer = browser.get(f"{PAIR}/picture/{images}/{row}")
            assert answer.headers["cache-control"] == "no-store"
            drawn = rows(answer.content)
            assert drawn.shape == (size, 3 * size, 3)
            expected = whole[size * row : size * (row + 1)]
            assert np.abs(drawn.astype(float) - expected).mean() < 3
    for nothing in (f"{PAIR}/picture/3/0", f"{PAIR}/picture/0/6", f"{PAIR}/picture/x/0"):
        assert browser.get(nothing).status_code == 400, nothing


def test_which_picture_is_shown_stands_in_the_address(browser: Browser) -> None:
    assert f'src="{PAIR}/picture/4/0"' in browser.get(PAIR).text
    assert f'src="{PAIR}/picture/0/2"' in browser.get(f"{PAIR}?at=0&row=2").text
    assert f'src="{PAIR}/picture/4/5"' in browser.get(f"{PAIR}?at=77&row=99").text


@pytest.mark.parametrize("person", [LIKENESS, PERFORMER])
def test_nothing_is_shown_once_consent_ends(trained: Production, browser: Browser, person: str) -> None:  # noqa: F811
    shown = ("", "/live", "/coverage", "/report", "/picture/0/0")
    assert all(browser.get(PAIR + part).status_code == 200 for part in shown)
    trained.revoke(trained.release_of(person))
    html = browser.get(PAIR).text
    assert "was revoked on" in html
    assert "not allowed" in html
    assert "<polyline" not in html
    assert "/picture/" not in html
    assert 'action="/train/' not in html
    for part in shown[1:]:
        answer = browser.get(PAIR + part, headers=JSON)
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "consent.release_revoked"
    for address, more in (("/train/start", {}), ("/train/back", {"images": "4"})):
        assert browser.submit(address, **WHO, **more).status_code == 400
    assert not jobs.list_jobs(trained.project.folder)


def test_looking_is_not_logged(trained: Production, browser: Browser) -> None:  # noqa: F811
    before = len(list(ledger.entries(trained.project)))
    for part in ("", "/live", "/coverage", "/report", "/picture/0/0"):
        browser.get(PAIR + part)
    assert len(list(ledger.entries(trained.project))) == before


def test_others_and_strangers_get_a_line(browser: Browser) -> None:
    for pair in (f"/train/{PERFORMER}/{LIKENESS}", f"/train/{LIKENESS}/nobody", "/train/../x", "/train/%2e%2e/x"):
        assert browser.get(pair).status_code in {400, 404}


def test_the_report_is_shown_and_not_written(trained: Production, browser: Browser) -> None:  # noqa: F811
    before = set(trained.project.folder.rglob("*"))
    answer = browser.get(f"{PAIR}/report")
    assert f"<h1>{LIKENESS} onto {PERFORMER}</h1>" in answer.text
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    assert set(trained.project.folder.rglob("*")) == before


def test_what_the_faces_lack_is_said_before_an_hour_is_spent(browser: Browser) -> None:
    html = browser.get(f"{PAIR}/coverage").text
    assert f"<h3>{LIKENESS}: " in html
    assert f"<h3>{PERFORMER}: " in html
    assert f"Only 24 faces of {LIKENESS}" in html


def test_very_many_faces_are_left_to_a_job(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("countenance.studio.training.MOST_MEASURED", 23)
    assert "24 faces take long to measure" in browser.get(f"{PAIR}/coverage").text


# Starting, pausing, going on.


def arguments_of(browser: Browser) -> list[tuple[str, ...]]:
    return [job.arguments for job in jobs.list_jobs(browser.studio.project)]


def test_a_start_is_the_command_of_the_command_line(browser: Browser) -> None:
    answer = browser.submit("/train/start", **WHO, **{"train.images": "40", "train.learning_rate": "1e-4"})
    assert (answer.status_code, answer.headers["location"]) == (303, PAIR)
    (arguments,) = arguments_of(browser)
    assert arguments[:4] == ("train", LIKENESS, "--onto", PERFORMER)
    changes = set(arguments[5::2])
    assert {"train.images=40", "train.learning_rate=0.0001"} <= changes
    # As it was begun, and otherwise than the project's settings.
    assert {"train.faces=4", "train.batch_size=1", "train.seed=3"} <= changes
    assert not [change for change in changes if change.startswith("train.patience")]
    html = browser.get(PAIR).text
    assert 'action="/train/stop"' in html
    assert 'action="/train/start"' not in html


@pytest.mark.parametrize(
    "wrong",
    [
        {"train.images": "0"},
        {"train.images": "many"},
        {"train.learning_rate": "nan"},
        {"train.device": "abacus"},
    ],
)
def test_settings_that_are_not_allowed_start_nothing(browser: Browser, wrong: dict[str, str]) -> None:
    answer = browser.submit("/train/start", **WHO, **wrong)
    assert answer.status_code == 400
    assert "train." in answer.text
    assert not arguments_of(browser)


def test_other_settings_are_left_alone(browser: Browser) -> None:
    browser.submit("/train/start", **WHO, **{"train.images": "40\n[generate]\nlabel = false", "--output": "/etc/x"})
    (arguments,) = arguments_of(browser)
    assert "train.images=40" in arguments
    assert all(word == "--set" or re.fullmatch(r"train\.[a-z_]+=\S+", word) for word in arguments[4:])


def test_a_start_from_two_pages_at_once_starts_one(browser: Browser) -> None:
    pages = [Browser(browser.studio) for _ in range(6)]
    threads = [
        threading.Thread(target=page.submit, args=("/train/start",), kwargs={**WHO, "train.images": str(40 + number)})
        for number, page in enumerate(pages)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(arguments_of(browser)) == 1
    assert browser.submit("/train/start", **WHO).headers["location"] == PAIR
    assert len(arguments_of(browser)) == 1


def test_pausing_stops_the_job_and_it_can_be_started_again(browser: Browser) -> None:
    browser.submit("/train/start", **WHO, **{"train.images": "40"})
    browser.submit("/train/stop", **WHO)
    assert [job.state for job in jobs.list_jobs(browser.studio.project)] == ["stopped"]
    assert "Go on" in browser.get(PAIR).text
    browser.submit("/train/start", **WHO, **{"train.images": "40"})
    assert [job.state for job in jobs.list_jobs(browser.studio.project)] == ["stopped", "waiting"]
    assert browser.submit("/train/stop", **WHO).status_code == 303


def test_pausing_twice_kills_nothing(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    browser.submit("/train/start", **WHO, **{"train.images": "40"})
    (job,) = jobs.list_jobs(browser.studio.project)
    stopped = list[int]()
    monkeypatch.setattr(jobs, "list_jobs", lambda _: [replace(job, state="running", is_stopping=True)])
    monkeypatch.setattr(jobs, "stop", lambda _, number: stopped.append(number))
    assert browser.submit("/train/stop", **WHO).status_code == 303
    assert stopped == []
    assert re.search(r"<button class=\"danger\" disabled>Stopping", browser.get(PAIR).text)


def test_only_trainings_of_this_pair_are_its_job(browser: Browser) -> None:
    folder = browser.studio.project
    jobs.add(folder, ["train", LIKENESS, "--onto", STRANGER])
    jobs.add(folder, ["train", "report", LIKENESS, "--onto", PERFORMER])
    jobs.add(folder, ["train", LIKENESS, "--onto", PERFORMER, "--back-to", "4"])
    jobs.add(folder, ["prepare", LIKENESS])
    assert "data-job" not in browser.get(PAIR).text
    jobs.add(folder, ["train", LIKENESS, f"--onto={PERFORMER}"])
    assert 'data-job="5"' in browser.get(PAIR).text


# Going back.


@pytest.fixture
def longer(trained: Production) -> Production:  # noqa: F811
    """Trained on beyond the first state that is kept, which is made to be an early one."""
    permit = grant(trained.project, "train", likeness=LIKENESS, performer=PERFORMER)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("countenance.model.record.FIRST_KEPT", 5)
        config = type(TRAINING)(
            **{**{name: getattr(TRAINING, name) for name in TRAINING.__dataclass_fields__}, "images": 6}
        )
        train(trained.project, LIKENESS, PERFORMER, permit, config, progress=Silent(), should_stop=lambda: False)
    return trained


def test_a_state_can_be_gone_back_to(longer: Production) -> None:
    with Browser(studio_on(longer.project.folder)) as browser:
        html = browser.get(PAIR).text
        assert 'name="images" value="5"' in html
        assert 'name="images" value="6"' not in html, "the present one"
        answer = browser.submit("/train/back", **WHO, images="5")
        assert (answer.status_code, answer.headers["location"]) == (303, PAIR)
        assert "Back at 5 images" in browser.get(PAIR).text
        learned = standing_of(longer.project, LIKENESS, PERFORMER)
        assert learned.checkpoint is not None
        assert learned.checkpoint.images_seen == 5
        for wrong in ("3", "x", "", "-1"):
            assert browser.submit("/train/back", **WHO, images=wrong).status_code == 400


def test_going_back_waits_for_who_is_writing(longer: Production) -> None:
    with Browser(studio_on(longer.project.folder)) as browser, longer.project.writing():
        answer = browser.post("/train/back", data={**WHO, "images": "5", "csrf": browser.studio.csrf}, headers=JSON)
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "usage.project_locked")


def test_what_comes_while_it_trains_is_seen(trained: Production, browser: Browser) -> None:  # noqa: F811
    folder = standing_of(trained.project, LIKENESS, PERFORMER).guard.model_folder
    assert f'data-seen="{TRAINING.images}"' in browser.get(f"{PAIR}/live").text
    append_metrics(folder, 1_234, {"margin": 0.02})
    assert 'data-seen="1234"' in browser.get(f"{PAIR}/live").text
    # A line that is being written.
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"images": 99')
    assert 'data-seen="1234"' in browser.get(f"{PAIR}/live").text
