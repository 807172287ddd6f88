import json
import re
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner, Result

from countenance.cli import log, release
from countenance.consent.document import read_release
from countenance.consent.permit import grant_prepare
from countenance.consent.release import check_signature, sha256_of
from countenance.errors import ConsentError, MediaError, ProvenanceError, UsageError
from countenance.faces import portrait
from countenance.project import create, opened
from countenance.steps import statement as statement_step
from countenance.steps.statement import Stated
from tests.support.signing import Production, template_of


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the commands run: no project here, only a picture; the net that looks at it is a fake."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(portrait, "template_of", template_of)
    production = Production(project=None, folder=tmp_path)  # type: ignore[arg-type]
    production.picture("dana.png")
    return tmp_path


def run(command: str, app: Typer = release.app) -> Result:
    result = CliRunner().invoke(app, [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', command)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


NEW = 'new dana --role likeness --reference dana.png --use film --project "Winter" --expires 2090-12-31'


def test_owner_drafts_signs_and_revokes_outside_of_any_project(folder: Path) -> None:
    result = run("key dana.key")
    assert (result.exit_code, result.stdout) == (0, "")
    assert (folder / "dana.key").stat().st_mode & 0o777 == 0o600
    result = run(NEW)
    assert result.exit_code == 0
    assert "countenance release sign dana.release.toml --key dana.key" in result.stderr
    result = run("sign dana.release.toml --key dana.key")
    assert result.exit_code == 0
    assert "countenance release add dana.release.toml" in result.stderr
    assert "The face of dana may be put onto another person's performance, by computer." in result.stderr
    signed = read_release(folder / "dana.release.toml")
    check_signature(signed)
    assert (signed.scope.uses, signed.role, signed.references[0].file) == (("film",), "likeness", "dana.png")
    assert run("revoke dana.release.toml --key dana.key").exit_code == 0
    assert (folder / "dana.revocation.toml").exists()


def test_production_adds_lists_and_ends(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create(folder / "film", use="film", title=None)
    for command in ("key dana.key", NEW, "sign dana.release.toml --key dana.key"):
        run(command)
    run("revoke dana.release.toml --key dana.key")
    monkeypatch.chdir(folder / "film")
    monkeypatch.setenv("COLUMNS", "200")
    assert "Added the release of dana as likeness" in run("add ../dana.release.toml").stderr
    assert "already" in run("add ../dana.release.toml").stderr
    listed = json.loads(run("list --json").stdout)
    assert (listed["title"], listed["use"]) == ("Winter", "film")
    assert [(row["person"], row["role"], row["state"]) for row in listed["releases"]] == [("dana", "likeness", "valid")]
    assert re.search(r"dana +likeness +film +no sound, approval +\S+ to 2090-12-31 +valid", run("list").stdout)
    assert "Revoked" in run("add ../dana.revocation.toml").stderr
    assert "revoked on" in run("list").stdout
    assert json.loads(run("list --json").stdout)["releases"][0]["state"] == "revoked"
    with opened(folder / "film") as project, pytest.raises(ConsentError, match="was revoked"):
        grant_prepare(project, "dana")
    checked = json.loads(run("check --json", log.app).stdout)
    assert (checked["entries"], checked["remembered"], checked["clock_set_back_at"]) == (2, 2, [])
    assert [(each["first"], each["last"]) for each in checked["signers"]] == [(1, 2)]
    assert [entry["event"] for entry in json.loads(run("show --json", log.app).stdout)] == [
        "release.added",
        "release.revoked",
    ]
    added, revoked = run("show", log.app).stdout.splitlines()
    assert re.match(r" {3}1  \d{4}-\d\d-\d\dT\S+  release\.added ", added)
    assert re.match(r" {3}2  \d{4}-\d\d-\d\dT\S+  release\.revoked ", revoked)
    for line in (added, revoked):
        assert "person dana" in line
        assert re.search(r"release [0-9a-f]{12}…", line)
    with opened(folder / "film") as project:
        project.database.execute("DELETE FROM log WHERE number = 2")
    for command in ("check", "show", "show --json"):
        with pytest.raises(ProvenanceError, match="cut off"):
            run(command, log.app)


def test_release_for_another_use_is_added_with_a_warning(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create(folder / "film", use="political", title=None)
    for command in ("key dana.key", NEW, "sign dana.release.toml --key dana.key"):
        run(command)
    monkeypatch.chdir(folder / "film")
    assert "But the release of dana is for uses film, not political" in run("add ../dana.release.toml").stderr


def test_on_a_terminal_the_owner_types_their_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "at_terminal", lambda: True)
    for command in ("key dana.key", NEW):
        run(command)
    sign = ["sign", "dana.release.toml", "--key", "dana.key"]
    refused = CliRunner().invoke(release.app, sign, input="kim\n")
    assert isinstance(refused.exception, UsageError)
    assert "may be put onto another person's performance" in refused.stderr
    assert read_release(folder / "dana.release.toml").signature is None
    asked = CliRunner().invoke(release.app, sign, input="dana\n")
    assert asked.exit_code == 0
    assert "To sign this, type dana" in asked.stderr
    check_signature(read_release(folder / "dana.release.toml"))
    run(f"{NEW} --overwrite")
    assert "To sign this" not in run("sign dana.release.toml --key dana.key --yes").stderr
    check_signature(read_release(folder / "dana.release.toml"))


def test_the_licensee_signs_second(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create(folder / "film", use="film", title=None)
    for command in ("key dana.key", "key studio.key"):
        run(command)
    drafted = json.loads(run(f'{NEW} --licensee "Winter Ltd" --licensee-key studio.key --json').stdout)
    assert (drafted["signed"], drafted["countersigned"]) == (False, False)
    with pytest.raises(ConsentError, match="is unsigned"):
        run("countersign dana.release.toml --key studio.key")
    assert "Winter Ltd signs as well" in run("sign dana.release.toml --key dana.key").stderr
    monkeypatch.chdir(folder / "film")
    with pytest.raises(
        ConsentError, match="isn't signed with it yet; Winter Ltd runs `countenance release countersign`"
    ):
        run("add ../dana.release.toml")
    with pytest.raises(ConsentError, match="names another licensee's key"):
        run("countersign ../dana.release.toml --key ../dana.key")
    signed = run("countersign ../dana.release.toml --key ../studio.key --json")
    assert "Signed ../dana.release.toml for Winter Ltd." in signed.stderr
    assert json.loads(signed.stdout)["countersigned"]
    assert "Added the release of dana" in run("add ../dana.release.toml").stderr
    assert json.loads(run("list --json").stdout)["releases"][0]["countersigned"]


def test_a_page_to_read_and_keep(folder: Path) -> None:
    for command in ("key dana.key", NEW):
        run(command)
    result = run("page dana.release.toml --json")
    assert "See dana.release.html, also to print." in result.stderr
    assert (json.loads(result.stdout)["page"], json.loads(result.stdout)["signed"]) == ("dana.release.html", False)
    page = folder / "dana.release.html"
    assert page.stat().st_mode & 0o777 == 0o600
    assert "Not signed." in page.read_text()
    with pytest.raises(UsageError, match="exists already"):
        run("page dana.release.toml")
    run("sign dana.release.toml --key dana.key")
    run("revoke dana.release.toml --key dana.key")
    run("page dana.release.toml --output ended.html --revocation dana.revocation.toml")
    assert "Revoked on" in (folder / "ended.html").read_text()
    with pytest.raises(ConsentError, match="is a release; expected a revocation"):
        run("page dana.release.toml --output no.html --revocation dana.release.toml")
    assert not (folder / "no.html").exists()


def test_all_that_a_release_can_limit_is_said_at_the_command_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(folder / "film", use="film", title=None, channels=["cinema"])
    run("key dana.key")
    limits = "--channel web --outputs 3 --plate dana.png --footage dana.png --line words --always-label"
    more = '--prohibited tobacco --territory EU --remarks "as agreed" --keep-until 2090-12-31 --representation union'
    run(f"{NEW} {limits} {more} --no-approval")
    drafted = read_release(folder / "dana.release.toml")
    sha256 = sha256_of(folder / "dana.png")
    assert (drafted.scope.plates, drafted.data.footage, drafted.term.num_outputs) == ((sha256,), (sha256,), 3)
    assert (drafted.scope.explicit, drafted.scope.channels) == (("words",), ("web",))
    assert (drafted.disclosure.label, drafted.approval.needed) == ("always shown", False)
    with pytest.raises(UsageError, match="expected a channel of lower-case letters"):
        run(f"{NEW} --channel Cinema --overwrite")
    run("sign dana.release.toml --key dana.key")
    monkeypatch.chdir(folder / "film")
    assert "But the release of dana is only for web, and" in run("add ../dana.release.toml").stderr
    monkeypatch.setenv("COLUMNS", "200")
    assert "only web, 1 named plate, 1 named clip, 0 of 3 files, label always" in run("list").stdout


def test_nothing_is_written_over(folder: Path) -> None:
    for command in ("key dana.key", NEW, "sign dana.release.toml --key dana.key"):
        run(command)
    signed = (folder / "dana.release.toml").read_bytes()
    for command in ("key dana.key", NEW):
        with pytest.raises(UsageError, match="is there already"):
            run(command)
    assert (folder / "dana.release.toml").read_bytes() == signed
    assert run(f"{NEW} --role performer --output dana.performer.toml --use teaching").exit_code == 0
    assert read_release(folder / "dana.performer.toml").scope.uses == ("film", "teaching")
    run(f"{NEW} --overwrite")
    assert read_release(folder / "dana.release.toml").signature is None


def test_reference_has_to_be_a_picture(folder: Path) -> None:
    (folder / "dana.png").write_bytes(b"no picture")
    with pytest.raises(MediaError):
        run(NEW)
    assert not (folder / "dana.release.toml").exists()


def test_owner_signs_only_with_the_pictures_at_hand(folder: Path) -> None:
    run("key dana.key")
    run(NEW)
    (folder / "dana.png").unlink()
    with pytest.raises(ConsentError, match="put it beside the release"):
        run("sign dana.release.toml --key dana.key")
    assert read_release(folder / "dana.release.toml").signature is None


def test_wrong_use_is_told() -> None:
    assert run("new dana --reference dana.png --use film --project Winter --expires tomorrow").exit_code == 2
    assert run("new dana").exit_code == 2
    with pytest.raises(UsageError, match="expected one of the uses"):
        run(NEW.replace("--use film", "--use intimate"))
    with pytest.raises(UsageError, match=r"no countenance\.toml"):
        run("list")


@pytest.mark.parametrize(
    "name", ["key", "new", "page", "sign", "countersign", "add", "challenge", "statement", "revoke", "list"]
)
def test_each_command_explains_itself_with_an_example(name: str) -> None:
    text = " ".join(run(f"{name} --help").stdout.split())
    assert f"Example: countenance release {name}" in text


@pytest.mark.parametrize("name", ["check", "show"])
def test_log_commands_explain_themselves(name: str) -> None:
    assert f"Example: countenance log {name}" in run(f"{name} --help", log.app).stdout


@pytest.mark.parametrize("error", [None, ConsentError("another face"), MediaError("no video")])
def test_a_statement_s_video_is_erased_where_that_is_asked_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception | None
) -> None:
    def take(*_: object, **__: object) -> Stated:
        if error is not None:
            raise error
        return Stated(person="dana", release="ab", video="cd", distance=0.3, turns=())

    create(folder / "film", use="film", title=None)
    monkeypatch.chdir(folder / "film")
    monkeypatch.setattr(statement_step, "take_statement", take)
    for option, is_left in (("", True), ("--erase-video", False)):
        (folder / "film" / "dana.mp4").write_bytes(b"frames")
        if error is None:
            run(f"statement dana.release.toml dana.mp4 {option}")
        else:
            with pytest.raises(type(error)):
                run(f"statement dana.release.toml dana.mp4 {option}")
        assert (folder / "film" / "dana.mp4").exists() is is_left
