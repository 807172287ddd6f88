"""The page Shots: what it shows while permits hold, and the settings that it writes into the shots' files."""

import io
import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from httpx import Response
from PIL import Image

from countenance import jobs
from countenance.cli.shots import shots
from countenance.composite.held import HeldFrame
from countenance.composite.shot import KEYED
from countenance.composite.shotfile import hold_frame, shots_folder
from countenance.media.excerpt import Wanted
from countenance.media.probe import probe
from countenance.progress import Silent
from countenance.steps.shots import list_shots
from countenance.studio import previews as previews_module
from countenance.studio.choice import Choice
from countenance.studio.previewing import Ask
from countenance.studio.previews import Previews
from countenance.studio.shots import _preview_stem
from tests.studio.conftest import SHOT_FRAMES, PlateDesk
from tests.support.commands import called
from tests.support.production import LABELLED, LIKENESS, PERFORMER

JSON = {"accept": "application/json"}


def settings_of(desk: PlateDesk, number: int = 1) -> Any:
    """What `generate` would read of a shot."""
    found = list_shots(desk.production.project, desk.plate, Silent())
    return found.shots[number - 1].settings


def save(desk: PlateDesk, table: object, number: int = 1, **more: str) -> Response:
    fields = {**desk.chosen, "shot": str(number), "table": json.dumps(table), **more}
    answer: Response = desk.browser.post("/shots/set", data=fields, headers=sent(desk))
    return answer


def sent(desk: PlateDesk) -> dict[str, str]:
    """The headers of a page's script."""
    return {**JSON, "x-csrf-token": desk.browser.studio.csrf}


def message(answer: Response) -> str:
    text: str = answer.json()["error"]["message"]
    return text


def frame(desk: PlateDesk, **more: str) -> Response:
    answer: Response = desk.browser.get("/shots/frame.jpg", params={**desk.chosen, "frame": "3", **more}, headers=JSON)
    return answer


def pixels(answer: Response) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGB"), np.float32)


def test_the_page_offers_plates_and_the_people_whose_releases_allow_it(desk: PlateDesk) -> None:
    project = desk.production.project
    jobs.add(project.folder, ["generate", str(desk.plate), "--output", "x.mp4"])
    jobs.add(project.folder, ["generate", "/etc/hostname", "--output", "x.mp4"])
    page = desk.browser.get("/shots").text
    assert f'value="{desk.plate}"' in page
    assert "/etc/hostname" not in page
    assert f'value="{LIKENESS}:{PERFORMER}"' in page
    assert f'value="{PERFORMER}:{LIKENESS}"' not in page
    desk.production.revoke(desk.production.release_of(LIKENESS))
    assert f'value="{LIKENESS}:{PERFORMER}"' not in desk.browser.get("/shots").text


def test_the_plate_is_told_with_its_shots_settings_and_what_is_wrong(desk: PlateDesk) -> None:
    told = desk.browser.get("/shots/plate", params=desk.chosen).json()
    assert [(shot["number"], shot["first"], shot["last"]) for shot in told["shots"]] == [
        (1, 0, SHOT_FRAMES - 1),
        (2, SHOT_FRAMES, SHOT_FRAMES + 9),
    ]
    assert told["to_scan"] == []
    (lane,) = told["lanes"]
    assert lane["performer"] == PERFORMER
    missing = [each for each in lane["problems"] if each["words"] == "Not found"]
    assert [(each["first"], each["last"]) for each in missing] == [(SHOT_FRAMES, SHOT_FRAMES + 9)]
    assert PERFORMER in missing[0]["sentence"]
    assert all(lane["presence"][:SHOT_FRAMES])
    assert not any(lane["presence"][SHOT_FRAMES:])
    settings = {each["name"]: each for each in told["settings"]}
    assert (settings["likeness"]["minimum"], settings["likeness"]["maximum"], settings["likeness"]["base"]) == (0, 1, 1)
    assert settings["likeness"]["meaning"]
    assert {name for name, each in settings.items() if each["can_be_keyed"]} == set(KEYED)


def test_a_plate_that_was_not_looked_through_is_by_the_same_command_once_per_form(
    desk: PlateDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "start_worker", lambda _: None)
    other = desk.production.folder / "it's another.mp4"
    shutil.copyfile(desk.production.folder / f"{PERFORMER}.mp4", other)
    chosen = {**desk.chosen, "plate": str(other)}
    told = desk.browser.get("/shots/plate", params=chosen).json()
    assert [(each["performer"], each["job"]) for each in told["to_scan"]] == [(PERFORMER, None)]
    refused = desk.browser.get("/shots/frame.jpg", params={**chosen, "frame": "0"}, headers=JSON)
    assert refused.json()["error"]["code"] == "face.not_scanned"
    for _ in range(2):
        desk.browser.post("/shots/scan", data={**chosen, "once": "a"}, headers=sent(desk))
    (job,) = jobs.list_jobs(desk.production.project.folder)
    assert job.arguments == ("faces", "review", PERFORMER, "--plate", str(other))
    told = desk.browser.get("/shots/plate", params=chosen).json()
    assert told["to_scan"][0]["job"]["number"] == job.number


def test_settings_are_saved_where_the_command_line_reads_them(desk: PlateDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    table = {"likeness": 0.8, "who": PERFORMER, "sharpness": {"2": 0.0, "10": 0.4}}
    answer = save(desk, table)
    assert answer.status_code == 200, answer.text
    assert answer.json()["shot"]["table"] == table
    assert answer.json()["shot"]["keyed"] == [2, 10]
    monkeypatch.chdir(desk.production.project.folder)
    document = json.loads(called(shots, str(desk.plate), "--json").stdout)
    assert document["shots"][0]["settings"]["likeness"] == 0.8
    assert document["shots"][0]["settings"]["who"] == PERFORMER
    assert document["shots"][0]["keys"] == {"sharpness": [[2 / 24, 0.0], [10 / 24, 0.4]]}
    assert document["shots"][1]["file"] is None
    told = desk.browser.get("/shots/plate", params=desk.chosen).json()
    assert told["shots"][0]["table"] == table
    assert save(desk, {}).status_code == 200
    assert not list(shots_folder(desk.production.project, probe(desk.plate)).glob("*.toml"))


def test_keys_in_seconds_stay_what_they_are(desk: PlateDesk) -> None:
    folder = shots_folder(desk.production.project, probe(desk.plate))
    folder.mkdir(parents=True)
    (folder / "0001.toml").write_text('# by hand\nfeather = { "0.1 s" = 0.0, 8 = 0.05 }\n')
    shot = desk.browser.get("/shots/plate", params=desk.chosen).json()["shots"][0]
    assert shot["at"] == {"0.1 s": 2, "8": 8}
    before = settings_of(desk)
    assert save(desk, {**shot["table"], "grow": 0.02}).status_code == 200
    assert settings_of(desk).keys == before.keys
    assert settings_of(desk).base.grow == 0.02


@pytest.mark.parametrize(
    ("table", "setting", "words"),
    [
        ({"likeness": 1.5}, "shot.likeness", "expected a number from 0 to 1, got 1.5"),
        ({"likeness": "much"}, "shot.likeness", "expected a number from 0 to 1"),
        ({"grow": {"3": 0.5}}, "shot.grow", "at 3: setting shot.grow: expected a number from -0.1 to 0.1"),
        ({"feather": {"20": 0.05}}, "shot.feather", "expected one of the shot's frames, 0 to 13"),
        ({"who": "nobody else"}, "shot.who", "expected all, nobody, or names of this project's people"),
        ({"held_s": {"3": 1.0}}, "shot.held_s", "give held_s one value"),
        ({"shade": 1}, "shot.shade", "unknown setting shot.shade"),
    ],
)
def test_a_bad_value_is_said_of_its_setting_and_nothing_is_written(
    desk: PlateDesk, table: object, setting: str, words: str
) -> None:
    assert save(desk, {"likeness": 0.5}).status_code == 200
    answer = save(desk, table)
    assert answer.status_code == 400
    assert words in message(answer)
    assert str(desk.production.folder) not in message(answer)
    assert answer.json()["error"]["facts"]["setting"] == setting
    assert settings_of(desk).base.likeness == 0.5


def test_what_is_no_table_is_refused(desk: PlateDesk) -> None:
    for text in ("[]", "not JSON", "[" * 100_000):
        answer = desk.browser.post("/shots/set", data={**desk.chosen, "shot": "1", "table": text}, headers=sent(desk))
        assert answer.status_code == 400
    assert save(desk, {}, number=9).status_code == 400


def test_what_was_set_elsewhere_meanwhile_is_not_replaced(desk: PlateDesk) -> None:
    assert save(desk, {"sharpness": {"2": 0.0}}, was="{}").status_code == 200
    for was in ({}, {"sharpness": {"2": 0.5}}, {"sharpness": {"2": 0.0}, "grow": 0.01}):
        refused = save(desk, {"likeness": 0.5}, was=json.dumps(was))
        assert message(refused) == "shot 1 was changed elsewhere meanwhile; load the page again"
    copying = {**desk.chosen, "shot": "2", "to": "all"}
    refused = desk.browser.post("/shots/copy", data={**copying, "was": "{}"}, headers=sent(desk))
    assert message(refused) == "shot 1 was changed elsewhere meanwhile; load the page again"
    assert settings_of(desk).keys.keys() == {"sharpness"}
    shown = json.dumps({"1": {"sharpness": {"2": 0}}})
    assert desk.browser.post("/shots/copy", data={**copying, "was": shown}, headers=sent(desk)).status_code == 200
    assert save(desk, {"likeness": 0.5}, was="{}").status_code == 200


def test_painted_frames_stay_when_settings_are_saved_and_copied(desk: PlateDesk) -> None:
    project, info = desk.production.project, probe(desk.plate)
    painted = desk.production.folder / "painted.png"
    width, height = info.resolution_wh
    Image.new("RGB", (width, height)).save(painted)
    held: HeldFrame = hold_frame(project, info, 4, painted, (LIKENESS, PERFORMER))
    save(desk, {"sharpness": 0.2, "held_s": 2.0})
    save(desk, {"sharpness": 0.2}, number=2)
    desk.browser.post("/shots/copy", data={**desk.chosen, "shot": "2", "to": "all"}, headers=sent(desk))
    save(desk, {})
    assert held.path.is_file()
    told = desk.browser.get("/shots/plate", params=desk.chosen).json()
    assert told["shots"][0]["held"] == [4]


def test_settings_are_copied_with_their_keys_moved_along(desk: PlateDesk) -> None:
    save(desk, {"likeness": 0.6, "sharpness": {"0": 0.0, "4": 0.2, "13": 0.9}})
    answer = desk.browser.post(
        "/shots/copy", data={**desk.chosen, "shot": "1", "to": "some", "numbers": "1-2"}, headers=sent(desk)
    )
    assert answer.json() == {"copied": [2]}
    shot = desk.browser.get("/shots/plate", params=desk.chosen).json()["shots"][1]
    begin = SHOT_FRAMES
    assert shot["table"]["likeness"] == 0.6
    keys = {int(at): value for at, value in shot["table"]["sharpness"].items()}
    # The other shot is shorter: its last frame has what the setting has there.
    assert keys == {begin: 0.0, begin + 4: 0.2, begin + 9: pytest.approx(0.2 + 0.7 * 5 / 9)}
    for numbers in ("", "two", "2, 77", "1-99999999"):
        refused = desk.browser.post(
            "/shots/copy", data={**desk.chosen, "shot": "1", "to": "some", "numbers": numbers}, headers=sent(desk)
        )
        assert refused.status_code == 400


def test_frames_are_shown_before_and_after_with_what_is_set_and_tried(desk: PlateDesk) -> None:
    before, after = pixels(frame(desk, side="before")), pixels(frame(desk))
    assert np.abs(before - after).max() > 40
    tried = pixels(frame(desk, change="shot.likeness=0"))
    save(desk, {"who": "nobody"})
    assert np.abs(pixels(frame(desk)) - tried).max() == 0
    small = pixels(frame(desk, side="before", width="64"))
    assert small.shape[1] == 64


def test_the_desk_of_a_plate_opens(desk: PlateDesk) -> None:
    shown = desk.browser.get("/shots", params=desk.chosen)
    assert shown.status_code == 200
    assert 'id="timeline"' in shown.text


def test_nothing_is_shown_once_a_release_was_revoked(desk: PlateDesk) -> None:
    assert frame(desk).status_code == 200
    desk.production.revoke(desk.production.release_of(PERFORMER))
    for answer in (frame(desk), frame(desk, side="before"), desk.browser.get("/shots/plate", params=desk.chosen)):
        assert answer.status_code == 400
        assert "revoked" in answer.text
    assert save(desk, {"likeness": 0.5}).status_code == 400


def test_a_preview_whose_process_was_killed_is_opened_again(desk: PlateDesk) -> None:
    before = pixels(frame(desk))
    previews = desk.browser.app.state.previews  # type: ignore[attr-defined]
    os.kill(previews.process_number, signal.SIGKILL)
    answer = frame(desk, frame="4")
    assert answer.status_code == 400
    assert "look at the frame again" in message(answer)
    assert np.abs(pixels(frame(desk)) - before).max() == 0


def test_a_preview_that_nobody_asks_for_is_closed(desk: PlateDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(previews_module, "IDLE_S", 0.5)
    frame(desk, side="before")
    number = desk.browser.app.state.previews.process_number  # type: ignore[attr-defined]
    for _ in range(200):
        if not Path(f"/proc/{number}").exists():
            return
        time.sleep(0.1)
    pytest.fail("it is still open")


def test_files_outside_of_what_the_user_chose_are_refused(desk: PlateDesk, tmp_path: Path) -> None:
    outside = tmp_path / "outside.mp4"
    shutil.copyfile(desk.plate, outside)
    link = desk.production.folder / "link.mp4"
    link.symlink_to(outside)
    for path in (outside, link, "../../outside.mp4", "/etc/passwd"):
        for address in ("/shots", "/shots/plate", "/shots/frame.jpg"):
            chosen = {**desk.chosen, "plate": str(path), "frame": "0"}
            answer = desk.browser.get(address, params=chosen, headers=JSON)
            assert answer.status_code in {400, 403}
            assert answer.headers["content-type"] == "application/json"
    for pair in ("kofi", "../x:kofi", "a:b:c", f"{PERFORMER}:{PERFORMER}"):
        assert (
            desk.browser.get("/shots/frame.jpg", params={**desk.chosen, "pair": pair, "frame": "0"}).status_code == 400
        )


def test_a_preview_is_the_command_of_the_command_line_once_per_form(
    desk: PlateDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "start_worker", lambda _: None)
    fields = {**desk.chosen, "shot": "1", "once": "only"}
    numbers = {
        desk.browser.post("/shots/preview", data=fields, headers=sent(desk)).json()["job"]["number"] for _ in range(2)
    }
    (job,) = jobs.list_jobs(desk.production.project.folder)
    assert numbers == {job.number}
    *arguments, output = job.arguments
    assert arguments == [
        *("generate", str(desk.plate), "--likeness", LIKENESS, "--performer", PERFORMER),
        *("--shot", "1", "--preview", "--overwrite", "--output"),
    ]
    assert Path(output).parent == desk.production.project.folder / "previews"
    told = desk.browser.get("/shots/plate", params=desk.chosen).json()["shots"][0]["preview"]
    assert (told["job"]["number"], told["is_there"]) == (job.number, False)
    assert not [person for person in (LIKENESS, PERFORMER) if person in Path(output).name]
    # What it leaves is played by the page, and nowhere else.
    production, asked = desk.production, {"params": {**desk.chosen, "shot": "1"}}
    production.generate(desk.plate, Path(output), LABELLED, wanted=Wanted(shot=1), preview=True)
    played = desk.browser.get("/shots/preview.mp4", **asked, headers={"range": "bytes=0-9"})
    assert (played.status_code, played.content) == (206, Path(output).read_bytes()[:10])
    save(desk, {"likeness": 0.5})
    toml = shots_folder(desk.production.project, probe(desk.plate)) / "0001.toml"
    os.utime(toml, (2**31, 2**31))
    told = desk.browser.get("/shots/plate", params=desk.chosen).json()["shots"][0]["preview"]
    assert (told["is_there"], told["is_stale"]) == (True, True)
    # A new release is for what is made from now on.
    production.revoke(production.release_of(LIKENESS))
    production.add(production.sign(LIKENESS))
    assert desk.browser.get("/shots/preview.mp4", **asked).status_code == 400
    assert not desk.browser.get("/shots/plate", params=desk.chosen).json()["shots"][0]["preview"]["is_there"]


def test_previews_of_pairs_whose_names_join_alike_are_not_one(desk: PlateDesk) -> None:
    info = probe(desk.plate)
    stems = {
        _preview_stem(info, Choice(plate=desk.plate, pairs=(pair,))) for pair in (("a-onto-b", "c"), ("a", "b-onto-c"))
    }
    assert len(stems) == 2


def test_a_user_s_folder_is_no_place_for_modules_of_the_preview(
    desk: PlateDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = desk.production.folder
    (folder / "numpy.py").write_text(f"open({str(folder / 'ran')!r}, 'w')")
    monkeypatch.chdir(folder)
    previews = Previews(desk.production.project.folder)
    try:
        previews.ask(desk.plate, [(LIKENESS, PERFORMER)], Ask(side="before", index=0, changes=()))
    finally:
        previews.close()
    assert not (folder / "ran").exists()


def test_settings_are_saved_while_a_job_writes(desk: PlateDesk) -> None:
    with desk.production.project.writing():
        assert save(desk, {"likeness": 0.7}).status_code == 200
        assert frame(desk, side="before").status_code == 200
    assert settings_of(desk).base.likeness == 0.7


def test_a_form_without_the_token_changes_nothing(desk: PlateDesk) -> None:
    answer = desk.browser.post("/shots/set", data={**desk.chosen, "shot": "1", "table": '{"likeness": 0.5}'})
    assert answer.status_code == 403
    assert not (desk.production.project.folder / "shots").exists()
