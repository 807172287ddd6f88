"""`countenance forget`, and the days until which data are kept, as a user meets them."""

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from countenance.cli import app as cli
from countenance.consent import retention
from countenance.consent.register import KnownRelease
from countenance.project import opened
from tests.support.desk import Desk


def test_it_shows_what_there_is_and_deletes_only_with_yes(trained: Desk) -> None:
    trained.do("generate", *trained.generate("--set", "generate.preset=draft")[1:])
    traces = trained.traces()
    shown = trained.do("forget", "dana", "--json")
    assert trained.traces() == traces
    assert "Nothing was deleted. `countenance forget dana --yes` deletes it for good" in shown.err
    assert "Footage: " in shown.err
    assert "Published: " in shown.err
    document = json.loads(shown.out)
    assert (document["deleted"], document["record"], document["data"]["models"]) == (False, None, 1)

    done = trained.do("forget", "dana", "--yes", "--json")
    assert "Deleted of dana: 40 faces, 1 record of a clip, 1 model that was trained with them" in done.err
    document = json.loads(done.out)
    assert document["deleted"]
    assert Path(document["record"]).is_file()
    assert [Path(each["path"]).name for each in document["stays"]["published"]] == ["shot.mp4"]
    assert not trained.model.exists()
    assert (trained.folder / "shot.mp4").exists()
    assert "forgotten on " in trained.do("release", "list").out
    refused = trained.run(*trained.generate("--overwrite"))
    assert refused.code == 3
    assert "dana was forgotten on " in refused.error
    assert "nothing is kept of dana here" in trained.run("forget", "dana").error
    trained.check()


def test_a_revocation_says_how_to_delete_and_deletes_nothing(trained: Desk) -> None:
    release, key = trained.folder / "dana-likeness.release.toml", trained.folder / "dana.key"
    trained.do("release", "revoke", release, "--key", key)
    told = trained.do("release", "add", trained.folder / "dana.revocation.toml")
    assert "`countenance forget dana` shows it, and deletes it with --yes" in told.err
    assert trained.model.exists()


def test_it_waits_for_nobody_who_writes(released: Desk) -> None:
    with opened(released.project) as project, project.writing():
        ended = released.run("forget", "dana", "--yes")
    assert ended.code == 2
    assert "another command is writing" in ended.error


@pytest.mark.parametrize(("days", "told"), [(30, ""), (5, "note: face data of dana may be kept until"), (-1, "Forgot")])
def test_a_command_that_writes_keeps_to_the_day_of_the_release(
    released: Desk, monkeypatch: pytest.MonkeyPatch, days: int, told: str
) -> None:
    until = datetime.now(UTC).date() + timedelta(days=days)

    def last_day(known: Iterable[KnownRelease]) -> date | None:
        own = [each for each in known if each.forgotten_on is None and each.release.subject.person == "dana"]
        return until if own else None

    monkeypatch.setattr(retention, "last_day", last_day)
    monkeypatch.setenv("COUNTENANCE_CONFIG", str(released.folder / "config"))
    monkeypatch.chdir(released.project)
    result = CliRunner().invoke(cli.app, ["collect", "dana", str(released.folder / "dana.mp4")])
    assert result.exit_code == 0, result.output
    assert told in result.output
    listed = CliRunner().invoke(cli.app, ["release", "list", "--json"])
    states = {each["person"]: each["state"] for each in json.loads(listed.stdout)["releases"]}
    assert states == {"dana": "forgotten" if days < 0 else "valid", "kim": "valid"}
