"""From a render to a published file where a release asks for its owner's approval, with grey frames for a face."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from countenance import ledger
from countenance.cli import release
from countenance.consent.approvals import add_decision
from countenance.consent.document import read_document, write_document
from countenance.consent.permit import grant
from countenance.consent.release import digest_of
from countenance.errors import ConsentError, UsageError
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.project import create, now, opened
from countenance.provenance.credentials import read_credentials, salted
from countenance.provenance.keys import find_trust
from countenance.provenance.publish import PublishConfig, publish, result_digest
from countenance.steps.approval import exit_of, finished_since, request_path, write_requests
from countenance.steps.decide import check_proxy, decide, read_request
from countenance.steps.guards import Guard
from countenance.steps.verify import verify
from countenance.types import Approval, Frame, Published, Render
from tests.support.policy import ask_for_no_statements
from tests.support.recorder import Recorder
from tests.support.signing import Production

UNLABELLED = PublishConfig(label=False, unlabelled_reason="credits name the process")
PEOPLE = ("dana", "kim")
NEW_YEAR, LAST_DAY = date(2026, 1, 1), date(2099, 12, 31)


@dataclass(frozen=True, kw_only=True)
class Film:
    """A project whose likeness, dana, approves each result, and a picture as plate."""

    production: Production
    plate: Path
    output: Path
    releases: dict[str, Path]

    @property
    def guard(self) -> Guard:
        project = self.production.project
        return Guard(project, grant(project, "generate", likeness="dana", performer="kim"), "generate", people=PEOPLE)

    @property
    def proxy(self) -> Path:
        return self.output.with_name("shot.not-approved.png")

    @property
    def request(self) -> Path:
        return request_path(self.output, "dana")

    def render(self, shade: int = 200, preview_wh: tuple[int, int] | None = None) -> Render:
        info = probe(self.plate)
        width, height = preview_wh or info.resolution_wh

        def frames_from(_: int) -> Iterator[Frame]:
            for frame in read_frames(info):
                yield replace(frame, pixels=np.full((height, width, 3), shade, np.uint8))

        return Render(
            plate=info,
            frames_from=frames_from,
            altered=(True,),
            work_folder=self.production.project.room("renders") / str(shade),
            model_digest="ab" * 32,
            seed=0,
            preview_wh=preview_wh,
            parts={"plate": info.sha256, "grain": str(shade)},
        )

    def generate(
        self,
        render: Render | None = None,
        config: PublishConfig = UNLABELLED,
        *,
        overwrite: bool = False,
        progress: Recorder | None = None,
    ) -> Published:
        """As `generate` lets a render out."""
        guard, render, progress = self.guard, render or self.render(), progress or Recorder()
        leaving = exit_of([guard], render, self.output, config, overwrite=overwrite, progress=progress)
        published = publish(
            guard.project,
            [guard.permit],
            leaving.render,
            leaving.output,
            config=config,
            overwrite=overwrite,
            check_leave=guard.check,
            progress=progress,
            approval=leaving.approval,
        )
        if leaving.awaited:
            write_requests(guard.project, self.output, published.path, leaving.awaited)
        return published

    def decide(self, verdict: str = "approved", reason: str | None = None, output: str = "decision.toml") -> Path:
        """As dana does, on a machine of her own."""
        key = self.production.key("dana")
        path = self.output.with_name(output)
        decide(self.request, key, verdict, reason=reason, output=path, overwrite=True)  # type: ignore[arg-type]
        return path

    def answer(self, verdict: str = "approved", reason: str | None = None) -> Path:
        path = self.decide(verdict, reason)
        add_decision(self.production.project, path)
        return path

    def events(self) -> list[str]:
        return [entry.event for entry in ledger.entries(self.production.project)]


@pytest.fixture
def film(tmp_path: Path) -> Iterator[Film]:
    (tmp_path / "documents").mkdir()
    (tmp_path / "out").mkdir()
    Image.fromarray(np.full((720, 1280, 3), 90, np.uint8)).save(tmp_path / "plate.png")
    create(tmp_path / "film", use="film", title="Winter")
    ask_for_no_statements(tmp_path / "film")
    with opened(tmp_path / "film") as project:
        production = Production(project=project, folder=tmp_path / "documents")
        term: dict[str, Any] = {"valid_from": NEW_YEAR, "expires": LAST_DAY}
        drafts = (
            production.draft("dana", approval=True, **term),
            production.draft("kim", role="performer", shade=50, approval=False, **term),
        )
        releases = {
            person: production.add(draft, at=datetime.now(UTC)) for person, draft in zip(PEOPLE, drafts, strict=True)
        }
        yield Film(
            production=production, plate=tmp_path / "plate.png", output=tmp_path / "out" / "shot.png", releases=releases
        )


def test_without_approval_only_a_marked_proxy_and_a_request_come_out(film: Film) -> None:
    published = film.generate()
    assert {path.name for path in film.output.parent.iterdir()} == {film.proxy.name, film.request.name}
    assert (published.path, published.is_proxy) == (film.proxy, True)
    rgb = np.asarray(Image.open(film.proxy))
    assert rgb.shape == (360, 640, 3)
    assert rgb[:, :20].min(axis=2).mean() < 150
    # The label, too, though the result would be published without it.
    assert (rgb[:, 40:] != 200).any()
    claim = read_credentials(film.proxy, find_trust()).claim
    assert claim is not None
    assert (claim.is_proxy, claim.approval, claim.label) == (True, "awaited", "shown")
    request = read_request(film.request)
    assert (request.label, request.label_reason) == ("left out", "credits name the process")
    assert claim.result_digest == request.result == result_digest(film.render(), UNLABELLED)
    entry = list(ledger.entries(film.production.project))[-1]
    assert (entry.event, entry.facts["is_proxy"]) == ("published", True)
    said = " ".join(reason for finding in verify(film.proxy, None).report.findings for reason in finding.reasons)
    assert "it is a proxy, made to ask for approval" in said


def test_the_door_itself_lets_nothing_out_without_approval_of_exactly_this(film: Film) -> None:
    guard, render = film.guard, film.render()
    of_this, of_another = result_digest(render, UNLABELLED), result_digest(film.render(201), UNLABELLED)
    approvals = (
        None,
        Approval(result=of_this, decisions={"kim": "12" * 32}),
        Approval(result=of_another, decisions={"dana": "12" * 32}),
    )
    for approval, words in zip(approvals, ("dana must approve", "dana must approve", "another result"), strict=True):
        with pytest.raises(ConsentError, match=words):
            publish(
                guard.project,
                [guard.permit],
                render,
                film.output,
                config=UNLABELLED,
                overwrite=False,
                check_leave=guard.check,
                progress=Recorder(),
                approval=approval,
            )
    assert list(film.output.parent.iterdir()) == []


def test_what_was_approved_is_published_and_says_so_without_a_name(film: Film) -> None:
    film.generate()
    path = film.answer()
    published = film.generate()
    assert (published.path, published.is_proxy) == (film.output, False)
    rgb = np.asarray(Image.open(film.output))
    # No words and no label: grey of 200, but for the watermark.
    assert (rgb.shape, rgb.min() > 190) == ((720, 1280, 3), True)
    claim = read_credentials(film.output, find_trust()).claim
    assert claim is not None
    ((salt,),) = film.production.project.database.execute(
        "SELECT salt FROM published WHERE sha256 = ?", (published.sha256,)
    ).fetchall()
    digest = digest_of(read_document(path))
    assert (claim.approval, claim.salted_decision_digests) == ("given", (salted(digest, bytes.fromhex(salt)),))
    assert list(ledger.entries(film.production.project))[-1].facts["approvals"] == [digest]
    said = " ".join(reason for finding in verify(film.output, None).report.findings for reason in finding.reasons)
    assert "it was approved by the people whose releases ask for it" in said
    assert b"dana" not in film.output.read_bytes()


def test_whatever_is_changed_after_an_approval_needs_another_one(film: Film) -> None:
    film.generate()
    film.answer()
    changes = {
        "grain": (film.render(201), UNLABELLED),
        "quality": (film.render(), replace(UNLABELLED, quality=30)),
        "label": (film.render(), PublishConfig()),
    }
    for name, (render, config) in changes.items():
        progress = Recorder()
        assert film.generate(render, config, overwrite=True, progress=progress).is_proxy
        assert f"dana approved another result of this plate; since then changed: {name}" in progress.notes
    assert not film.output.exists()
    assert film.generate().path == film.output


def test_who_is_asked_already_is_not_asked_again(film: Film) -> None:
    film.generate()
    events, content = film.events(), film.request.read_bytes()
    film.request.unlink()
    with pytest.raises(ConsentError, match="dana must approve this result before it is published") as caught:
        film.generate()
    assert caught.value.code == "consent.approval_awaited"
    assert (film.events(), film.request.read_bytes()) == ([*events, "permit.refused"], content)
    with pytest.raises(UsageError, match="is there already"):
        film.generate(film.render(201))
    assert film.generate(overwrite=True).is_proxy


def test_who_was_killed_just_before_the_end_finds_that_all_is_done(film: Film) -> None:
    project, since = film.production.project, now()
    assert finished_since(project, film.output, since) is None
    proxy = film.generate()
    finished = finished_since(project, film.output, since)
    assert finished is not None
    assert (finished.published, finished.awaited, finished.requests) == (proxy, ("dana",), (film.request,))
    content = film.request.read_bytes()
    film.request.unlink()
    assert finished_since(project, film.output, since) is None
    film.request.write_bytes(content)
    film.answer()
    result = film.generate()
    finished = finished_since(project, film.output, since)
    assert finished is not None
    assert (finished.published, finished.awaited, finished.requests) == (result, (), ())
    later = (datetime.now(UTC) + timedelta(minutes=1)).isoformat(timespec="seconds")
    assert finished_since(project, film.output, later) is None


def test_a_file_that_was_put_there_since_isnt_what_was_published(film: Film) -> None:
    project, since = film.production.project, now()
    film.generate(film.render(preview_wh=(512, 288)))
    finished = finished_since(project, film.output, since)
    assert finished is not None
    assert (finished.awaited, finished.requests) == ((), ())
    film.proxy.write_bytes(film.plate.read_bytes())
    assert finished_since(project, film.output, since) is None


def test_what_was_declined_is_refused_until_it_is_changed(film: Film) -> None:
    film.generate()
    with pytest.raises(UsageError, match="say why"):
        film.decide("declined")
    film.answer("declined", "the mouth smears")
    for overwrite in (False, True):
        with pytest.raises(ConsentError, match=r"dana declined this result on .*: the mouth smears"):
            film.generate(overwrite=overwrite)
    assert film.generate(film.render(201), overwrite=True).is_proxy


def test_each_of_several_people_is_asked_and_must_approve(film: Film) -> None:
    film.production.revoke(film.releases["kim"])
    theirs: dict[str, Any] = {
        "role": "performer",
        "shade": 51,
        "approval": True,
        "valid_from": NEW_YEAR,
        "expires": LAST_DAY,
    }
    film.production.add(film.production.draft("kim", **theirs), at=datetime.now(UTC))
    kims = request_path(film.output, "kim")
    film.generate()
    assert (read_request(film.request).person, read_request(kims).person) == PEOPLE
    film.answer()
    with pytest.raises(ConsentError, match=r"^kim must approve this result"):
        film.generate()
    for request in (film.request, kims):
        request.unlink()
    assert film.generate(overwrite=True).is_proxy
    assert (film.request.exists(), kims.exists()) == (False, True)
    answered, _ = decide(kims, film.production.key("kim"), "approved")
    add_decision(film.production.project, answered)
    assert film.generate().path == film.output


def test_a_decline_while_it_is_published_leaves_no_file(film: Film) -> None:
    film.generate()
    film.answer()
    no = film.output.with_name("no.toml")
    decide(
        film.request,
        film.production.key("dana"),
        "declined",
        reason="no",
        output=no,
        at=datetime.now(UTC) + timedelta(minutes=1),
    )

    render = film.render()

    def frames_from(first: int) -> Iterator[Frame]:
        with opened(film.production.project.folder) as other:
            add_decision(other, no)
        yield from render.frames_from(first)

    with pytest.raises(ConsentError, match="dana declined"):
        film.generate(replace(render, frames_from=frames_from))
    assert not film.output.exists()


def test_a_revocation_beats_an_approval(film: Film) -> None:
    film.generate()
    film.answer()
    film.production.revoke(film.releases["dana"])
    with pytest.raises(ConsentError, match="was revoked"):
        film.generate()
    assert not film.output.exists()


def test_a_preview_is_a_proxy_that_asks_nobody(film: Film) -> None:
    published = film.generate(film.render(preview_wh=(512, 288)))
    assert (published.path, published.is_proxy, film.request.exists()) == (film.proxy, True, False)
    rgb = np.asarray(Image.open(film.proxy))
    assert (rgb.shape, rgb[:, :10].min() < 100) == ((288, 512, 3), True)
    said = " ".join(reason for finding in verify(film.proxy, None).report.findings for reason in finding.reasons)
    assert "it is a preview of what some of these people must approve first" in said


def test_where_no_release_asks_for_it_nothing_is_asked(film: Film) -> None:
    leaving = exit_of(
        [film.guard],
        film.render(),
        film.output,
        UNLABELLED,
        overwrite=False,
        progress=Recorder(),
    )
    assert leaving.awaited == ("dana",)
    film.production.revoke(film.releases["dana"])
    film.production.add(
        film.production.draft("dana", shade=101, approval=False, valid_from=NEW_YEAR, expires=LAST_DAY),
        at=datetime.now(UTC),
    )
    published = film.generate()
    claim = read_credentials(film.output, find_trust()).claim
    assert claim is not None
    assert (published.path, claim.approval, claim.is_proxy) == (film.output, "", False)


def test_a_proxy_that_was_exchanged_is_not_decided_on(film: Film) -> None:
    film.generate()
    check_proxy(read_request(film.request), film.request.parent)
    original = film.proxy.read_bytes()
    Image.fromarray(np.zeros((360, 640, 3), np.uint8)).save(film.proxy)
    with pytest.raises(ConsentError, match="is not the proxy about which you are asked"):
        film.decide()
    film.proxy.unlink()
    with pytest.raises(ConsentError, match="put it beside the request"):
        film.decide()
    film.proxy.write_bytes(original)
    film.decide()


def test_a_request_that_speaks_of_something_else_than_its_proxy_is_not_decided_on(film: Film) -> None:
    """Whoever edits both digests in the request still has the proxy's own, signed words against them."""
    film.generate()
    request = read_request(film.request)
    bare = film.output.with_name("bare.png")
    Image.fromarray(np.zeros((360, 640, 3), np.uint8)).save(bare)
    proxy = request.proxy.model_copy(update={"file": bare.name, "sha256": probe(bare).sha256})
    for edited, words in (
        ({"result": "cd" * 32}, "is of another result than the request"),
        ({"num_frames": 2}, "is of another result than the request"),
        ({"proxy": proxy}, "credentials of .* don't hold"),
    ):
        write_document(film.request, request.model_copy(update=edited), overwrite=True)
        with pytest.raises(ConsentError, match=words):
            film.decide()


def test_only_the_key_of_the_release_answers(film: Film) -> None:
    film.generate()
    with pytest.raises(ConsentError, match="whose release was signed with another key"):
        decide(film.request, film.production.key("lee"), "approved")
    with pytest.raises(ConsentError, match="is a release; expected a request"):
        decide(film.releases["dana"], film.production.key("dana"), "approved")
    written, _ = decide(film.request, film.production.key("dana"), "approved")
    assert written.name == "shot.dana.decision.toml"
    with pytest.raises(UsageError, match="is there already"):
        decide(film.request, film.production.key("dana"), "approved")


def test_owner_and_production_do_it_on_the_command_line(film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    film.generate()
    key = ["--key", str(film.production.folder / "dana.key")]
    monkeypatch.chdir(film.output.parent)

    def run(*words: str) -> Result:
        return CliRunner().invoke(release.app, list(words))

    assert run("decline", film.request.name, *key).exit_code == 2
    declined = run("decline", film.request.name, *key, "--reason", "too dark")
    assert declined.exit_code == 0
    assert '"Winter" asks dana about shot.not-approved.png: frames 0 to 0 of 1 of the plate' in declined.stderr
    assert "WITHOUT the label in the picture, with the reason: credits name the process" in declined.stderr
    answered = json.loads(run("approve", film.request.name, *key, "--overwrite", "--json").stdout)
    assert (answered["verdict"], answered["person"], answered["signed"]) == ("approved", "dana", True)
    monkeypatch.chdir(film.production.project.folder)
    decision = str(film.output.parent / "shot.dana.decision.toml")
    assert "dana approved this result. Next: the same `countenance generate`" in run("add", decision).stderr
    assert "is in the project already" in run("add", decision).stderr
    assert film.generate().path == film.output
