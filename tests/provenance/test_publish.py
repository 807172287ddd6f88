import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from countenance import gates, ledger
from countenance.cli.shell import here
from countenance.errors import ConsentError, IntimateError, MediaError, ModelError, ProvenanceError, UsageError
from countenance.media import writer
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.progress import Silent
from countenance.project import Project, create, opened
from countenance.provenance import publish as door
from countenance.provenance import store
from countenance.provenance.credentials import read_credentials, salted, sign
from countenance.provenance.keys import find_trust, load_or_make_identity
from countenance.provenance.publish import PublishConfig, joint_digest, publish
from countenance.types import Frame, LabelledShot, Permit, Published, Render
from countenance.watermark.embed import mark
from countenance.watermark.read import read
from tests.support.leave import never_ends

MakePlate = Callable[..., Path]
SHADE = 200


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    folder = tmp_path / "film"
    create(folder, use="film", title="Winter")
    with opened(folder) as project:
        yield project


@pytest.fixture
def permit() -> Permit:
    return Permit(
        action="generate",
        likeness="dana-doe",
        performer="kim-roe",
        use="film",
        release_digests=tuple(hashlib.sha256(text).hexdigest() for text in (b"one", b"two")),
        expires_at=datetime.now(UTC) + timedelta(days=1),
        digest=hashlib.sha256(b"permit").hexdigest(),
    )


def render_of(plate: Path, work_folder: Path) -> Render:
    """The plate with every frame grey, its last frame "unaltered" where there are several."""
    info = probe(plate)

    def frames_from(index: int) -> Iterator[Frame]:
        for frame in read_frames(info):
            if frame.index >= index:
                yield replace(frame, pixels=np.full_like(frame.rgb, SHADE))

    return Render(
        plate=info,
        frames_from=frames_from,
        altered=(True,) * max(1, info.num_frames - 1) + (False,) * (info.num_frames > 1),
        work_folder=work_folder,
        model_digest="ab" * 32,
        seed=0,
        times_s=tuple(index / 25 for index in range(info.num_frames)),
        labelled_shots=(LabelledShot(frames=range(info.num_frames), corner="top right"),),
    )


@pytest.fixture
def do_publish(project: Project, permit: Permit, make_plate: MakePlate, tmp_path: Path) -> Callable[..., Published]:
    (tmp_path / "out").mkdir()

    def run(
        kind: str = "png",
        *,
        plate: Path | None = None,
        name: str = "shot",
        config: PublishConfig | None = None,
        overwrite: bool = False,
    ) -> Published:
        return publish(
            project,
            (permit,),
            render_of(plate or make_plate(f"plate.{kind}"), project.folder / "render"),
            tmp_path / "out" / f"{name}.{kind}",
            config=config or PublishConfig(),
            overwrite=overwrite,
            check_leave=never_ends,
            progress=Silent(),
        )

    return run


def events(project: Project) -> list[str]:
    """What became of renders; that each begins is tested by itself."""
    return [entry.event for entry in ledger.entries(project) if entry.event != "render.begun"]


def num_known(folder: Path) -> int:
    """How many files' marks lead to their credentials."""
    return store.export_entries(folder / "known.jsonl", overwrite=True)


def first_frame(path: Path) -> np.ndarray:
    return next(iter(read_frames(probe(path)))).rgb


def num_label_pixels(path: Path) -> tuple[int, int]:
    """Dark pixels in the upper right and in the rest of the first frame."""
    dark = first_frame(path).max(axis=2) < SHADE - 60
    height, width = dark.shape
    corner = int(dark[: height // 3, width // 3 :].sum())
    return corner, int(dark.sum()) - corner


@pytest.mark.parametrize("kind", ["mp4", "mov", "jpg", "png", "webp"])
def test_published_file_is_labelled_signed_logged_and_alone(
    do_publish: Callable[..., Published], project: Project, permit: Permit, tmp_path: Path, kind: str
) -> None:
    published = do_publish(kind)
    assert hashlib.sha256(published.path.read_bytes()).hexdigest() == published.sha256
    assert list((tmp_path / "out").iterdir()) == [published.path]
    assert not (project.folder / "render").exists()

    corner, elsewhere = num_label_pixels(published.path)
    assert corner > 100
    assert elsewhere == 0

    credentials = read_credentials(published.path, find_trust())
    assert credentials.state == "trusted"
    assert credentials.claim is not None
    assert credentials.claim.num_frames == published.num_frames == (6 if kind in ("mp4", "mov") else 1)
    assert credentials.claim.num_altered_frames == published.num_altered_frames
    assert (credentials.claim.label, credentials.claim.label_corners) == ("shown", ("top right",))

    row = project.database.execute("SELECT * FROM published").fetchone()
    assert row[0] == published.sha256
    salt = bytes.fromhex(row[5])
    assert credentials.claim.salted_release_digests == tuple(salted(d, salt) for d in permit.release_digests)
    assert credentials.claim.salted_permit_digest == salted(permit.digest, salt)
    content = published.path.read_bytes()
    for secret in (row[5], permit.digest, *permit.release_digests, "dana", "kim-roe", "Winter"):
        assert secret.encode() not in content

    assert events(project) == ["published"]
    *_, entry = ledger.entries(project)
    assert entry.number == published.log_index == row[7]
    assert entry.facts["sha256"] == published.sha256
    assert entry.facts["manifest_digest"] == published.manifest_digest
    ledger.check(project)


def test_video_keeps_the_plate_s_times(do_publish: Callable[..., Published], make_plate: MakePlate) -> None:
    plate = make_plate("plate.mp4")

    def times(path: Path) -> list[float]:
        with av.open(path) as container:
            return [float(frame.time) for frame in container.decode(video=0)]

    assert times(do_publish("mp4", plate=plate).path) == times(plate)


def test_salt_is_new_each_time(do_publish: Callable[..., Published], project: Project) -> None:
    do_publish(name="one")
    do_publish(name="two")
    salts = [row[0] for row in project.database.execute("SELECT salt FROM published")]
    assert len({*salts}) == 2


def test_signed_plate_becomes_the_parent(do_publish: Callable[..., Published], tmp_path: Path) -> None:
    first = do_publish(name="first")
    second = do_publish(plate=first.path, name="second")
    (parent,) = read_credentials(second.path, find_trust()).ingredients
    assert parent.relationship == "parentOf"
    assert parent.has_credentials
    assert parent.problems == ()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["first.png", "second.png"]


def test_label_off_is_recorded_with_its_reason(do_publish: Callable[..., Published], project: Project) -> None:
    published = do_publish(config=PublishConfig(label=False, unlabelled_reason="credits name the process"))
    assert num_label_pixels(published.path) == (0, 0)
    claim = read_credentials(published.path, find_trust()).claim
    assert claim is not None
    assert (claim.label, claim.label_reason) == ("left out", "credits name the process")
    reasons = [entry.facts["label_reason"] for entry in ledger.entries(project)]
    assert reasons == ["credits name the process"] * 2


def test_a_shot_has_its_label_in_its_own_corner_and_one_without_a_change_has_none(
    project: Project, permit: Permit, make_plate: MakePlate, tmp_path: Path
) -> None:
    render = replace(
        render_of(make_plate("plate.mp4"), project.folder / "render"),
        altered=(True, False, False, False, True, False),
        labelled_shots=(
            LabelledShot(frames=range(2), corner="bottom left"),
            LabelledShot(frames=range(4, 6), corner="top left"),
        ),
    )
    published = publish(
        project,
        (permit,),
        render,
        tmp_path / "x.mp4",
        config=PublishConfig(),
        overwrite=False,
        check_leave=never_ends,
        progress=Silent(),
    )
    claim = read_credentials(published.path, find_trust()).claim
    assert claim is not None
    assert claim.label_corners == ("top left", "bottom left")
    found = []
    for frame in read_frames(probe(published.path)):
        dark = frame.rgb.max(axis=2) < SHADE - 60
        rows, columns = np.nonzero(dark)
        found.append((rows.mean() < 48, columns.mean() < 80) if dark.sum() > 100 else None)
    assert found == [(False, True), (False, True), None, None, (True, True), (True, True)]


def test_the_form_of_credits_is_recorded_with_its_reason(do_publish: Callable[..., Published]) -> None:
    reason = "a feature film, and its credits say so"
    published = do_publish("mp4", config=PublishConfig(label_form="credits", unlabelled_reason=reason))
    claim = read_credentials(published.path, find_trust()).claim
    assert claim is not None
    assert (claim.label, claim.label_reason, claim.label_corners) == ("credits", reason, ("top right",))
    assert num_label_pixels(published.path)[0] > 100


def scoring(monkeypatch: pytest.MonkeyPatch, score: Callable[[np.ndarray], float]) -> None:
    monkeypatch.setattr(gates, "opened_net", lambda: score)


@pytest.mark.parametrize(("kind", "intimate"), [("png", 0), ("mp4", 0), ("mp4", 4)])
def test_a_result_that_looks_intimate_is_not_published_and_nothing_of_it_stays(
    do_publish: Callable[..., Published],
    project: Project,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    intimate: int,
) -> None:
    monkeypatch.setattr(writer, "FRAGMENT_FRAMES", 2)
    monkeypatch.setattr(gates, "EVERY_S", 0.08)
    looked: list[np.ndarray] = []

    def score(rgb: np.ndarray) -> float:
        looked.append(rgb)
        return 0.9 if 2 * (len(looked) - 1) == intimate else 0.1

    scoring(monkeypatch, score)
    with pytest.raises(IntimateError, match=rf"frame {intimate} .* of what was made of plate\.{kind} looks intimate"):
        do_publish(kind)
    assert len(looked) == intimate // 2 + 1
    assert list((tmp_path / "out").iterdir()) == []
    assert not (project.folder / "render").exists()
    assert events(project) == []
    # Before the label, which is none of what is judged.
    assert all((rgb == SHADE).all() for rgb in looked)


def test_each_second_and_the_first_frame_of_each_shot_of_a_result_are_looked_at(
    project: Project, permit: Permit, make_plate: MakePlate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []

    def noted(frame: Frame, *_args: object) -> None:
        looked.append(frame.index)

    scoring(monkeypatch, lambda _: 0.1)
    monkeypatch.setattr(gates, "check_frame", noted)
    render = render_of(make_plate("plate.mp4"), project.folder / "render")
    publish(
        project,
        (permit,),
        # Frames may come at any time.
        replace(
            render,
            times_s=(0.0, 0.9, 1.0, 1.4, 7.0, 7.5),
            labelled_shots=tuple(LabelledShot(frames=range(first, 6), corner="top right") for first in (0, 3)),
        ),
        tmp_path / "x.mp4",
        config=PublishConfig(),
        overwrite=False,
        check_leave=never_ends,
        progress=Silent(),
    )
    assert looked == [0, 2, 3, 4]


def test_without_the_net_nothing_is_published(
    do_publish: Callable[..., Published], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise ModelError("missing for the test", code="model.gate")

    monkeypatch.setattr(gates, "opened_net", missing)
    with pytest.raises(ModelError, match="missing for the test"):
        do_publish("mp4")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("reason", ["", "  ", "x", "no comment", "a b c", "one two three\nfour"])
def test_label_off_without_a_sentence_that_says_why_is_refused(reason: str) -> None:
    with pytest.raises(ValueError, match="unlabelled_reason"):
        PublishConfig(label=False, unlabelled_reason=reason)
    with pytest.raises(ValueError, match="unlabelled_reason"):
        PublishConfig(label_form="credits", unlabelled_reason=reason)


def refuse(*_args: object, **_options: object) -> None:
    raise ProvenanceError("broken for the test")


@pytest.mark.parametrize(
    "stage",
    [
        "draw_label",
        "write_fragments",
        "join_fragments",
        "load_or_make_identity",
        "check_plate",
        "sign",
        "_sync",
        "read_credentials",
        "_check_signed",
        "_facts",
        "store.remember",
        "_put_in_place",
    ],
)
def test_a_stage_that_fails_leaves_no_file(
    do_publish: Callable[..., Published],
    project: Project,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(f"countenance.provenance.publish.{stage}", refuse)
        with pytest.raises(ProvenanceError, match="broken for the test"):
            do_publish("mp4")
    assert list((tmp_path / "out").iterdir()) == []
    assert not list(project.folder.rglob("finished*"))
    assert project.database.execute("SELECT count(*) FROM published").fetchone() == (0,)
    assert events(project) == (["published", "withdrawn"] if stage in ("_put_in_place", "store.remember") else [])
    assert num_known(tmp_path) == 0
    ledger.check(project)
    assert do_publish("mp4").path.exists()


def test_a_signed_file_that_does_not_verify_is_not_published(
    do_publish: Callable[..., Published], project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = sign

    def sign_and_flip(media: Path, plate: Path, output: Path, *rest: Any, **options: Any) -> bytes:
        manifest = real(media, plate, output, *rest, **options)
        content = bytearray(output.read_bytes())
        content[-40] ^= 1
        output.write_bytes(content)
        return manifest

    monkeypatch.setattr(door, "sign", sign_and_flip)
    with pytest.raises(ProvenanceError, match="doesn't verify"):
        do_publish()
    assert list((tmp_path / "out").iterdir()) == []
    assert events(project) == []


def test_a_project_s_id_can_not_lead_elsewhere(
    do_publish: Callable[..., Published], project: Project, tmp_path: Path
) -> None:
    victim = tmp_path / "victim.png"
    victim.write_bytes(b"mine")
    project.settings["id"] = "x/../../victim"
    (tmp_path / "out" / ".countenance-x").mkdir()
    with pytest.raises(UsageError, match="UUID"):
        do_publish()
    assert victim.read_bytes() == b"mine"


def test_a_log_that_fails_leaves_no_file(
    do_publish: Callable[..., Published], project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "append", refuse)
    with pytest.raises(ProvenanceError):
        do_publish()
    assert list((tmp_path / "out").iterdir()) == []
    assert project.database.execute("SELECT count(*) FROM published").fetchone() == (0,)


def test_a_key_that_does_not_fit_its_certificate_leaves_no_file(
    do_publish: Callable[..., Published], project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = load_or_make_identity()
    with monkeypatch.context() as patch:
        patch.setenv("COUNTENANCE_CONFIG", str(tmp_path / "elsewhere"))
        other = load_or_make_identity()
    monkeypatch.setattr(door, "load_or_make_identity", lambda: replace(ours, sign_bytes=other.sign_bytes))
    with pytest.raises(ProvenanceError):
        do_publish()
    assert list((tmp_path / "out").iterdir()) == []
    assert events(project) == []


def test_ctrl_c_just_after_the_file_has_its_name_keeps_file_and_log(
    do_publish: Callable[..., Published], project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def place_and_stop(signed: Path, output: Path, **_options: object) -> None:
        signed.rename(output)
        raise KeyboardInterrupt

    monkeypatch.setattr(door, "_put_in_place", place_and_stop)
    with pytest.raises(KeyboardInterrupt):
        do_publish()
    assert (tmp_path / "out" / "shot.png").exists()
    assert events(project) == ["published"]
    assert num_known(tmp_path) == 1


def test_fragments_stay_after_a_failure_and_are_used_again(
    do_publish: Callable[..., Published], project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(door, "sign", refuse)
        with pytest.raises(ProvenanceError):
            do_publish("mp4")
    (folder,) = (project.folder / "render").glob("labelled-*-16")
    assert [path for path in folder.iterdir() if path.is_file()]
    monkeypatch.setattr(door, "draw_label", refuse)
    do_publish("mp4")


def test_fragments_carry_the_mark(
    do_publish: Callable[..., Published], project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(door, "sign", refuse)
        with pytest.raises(ProvenanceError):
            do_publish("mp4")
    (fragment,) = (project.folder / "render").rglob("*.nut")
    found = read(frame.rgb for frame in read_frames(probe(fragment)))
    assert found is not None
    # And the next run goes on with it.
    claim = read_credentials(do_publish("mp4").path, find_trust()).claim
    assert claim is not None
    assert claim.watermark is not None
    assert claim.watermark.id == f"{found.mark_id:012x}"


def test_what_can_t_be_read_back_is_not_published(
    do_publish: Callable[..., Published], project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "mark", lambda pixels, _: pixels)
    with pytest.raises(ProvenanceError, match="the watermark can't be read in what was rendered"):
        do_publish("mp4")
    assert list((tmp_path / "out").iterdir()) == []
    assert events(project) == []


def test_frames_that_are_not_altered_stay_as_they_are(
    do_publish: Callable[..., Published], monkeypatch: pytest.MonkeyPatch
) -> None:
    marked: list[int] = []

    def noted(pixels: np.ndarray, mark_id: int) -> np.ndarray:
        marked.append(mark_id)
        return mark(pixels, mark_id)

    monkeypatch.setattr(door, "mark", noted)
    published = do_publish("mp4")
    assert len(marked) == published.num_altered_frames == published.num_frames - 1


def test_labelled_and_unlabelled_fragments_never_mix(
    do_publish: Callable[..., Published], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(door, "sign", refuse)
        with pytest.raises(ProvenanceError):
            do_publish("mp4", config=PublishConfig(label=False, unlabelled_reason="fragments are compared in a test"))
    assert num_label_pixels(do_publish("mp4").path)[0] > 100


def test_a_file_that_is_there_is_kept_unless_asked(do_publish: Callable[..., Published], project: Project) -> None:
    first = do_publish()
    before = first.path.read_bytes()
    with pytest.raises(UsageError, match="--overwrite"):
        do_publish()
    assert first.path.read_bytes() == before
    assert events(project) == ["published"]
    second = do_publish(overwrite=True)
    assert second.path == first.path
    assert second.path.read_bytes() != before


def test_what_failed_first_is_told_where_taking_it_back_fails_too(
    do_publish: Callable[..., Published],
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def full(_digest: str) -> None:
        raise ProvenanceError("the store is full")

    monkeypatch.setattr(door, "_put_in_place", refuse)
    monkeypatch.setattr("countenance.provenance.store.take_back", full)
    with pytest.raises(ProvenanceError, match="broken for the test"):
        do_publish()
    assert "log entry 2 can't be withdrawn" in caplog.text
    assert "the store is full" in caplog.text
    assert events(project) == ["published", "withdrawn"]


def test_a_file_that_appears_meanwhile_is_kept(
    do_publish: Callable[..., Published], project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = sign

    def sign_while_another_writes(*args: Any, **options: Any) -> bytes:
        (tmp_path / "out" / "shot.png").write_bytes(b"somebody's")
        return real(*args, **options)

    monkeypatch.setattr(door, "sign", sign_while_another_writes)
    with pytest.raises(UsageError, match="meanwhile"):
        do_publish()
    assert (tmp_path / "out" / "shot.png").read_bytes() == b"somebody's"
    assert events(project) == ["published", "withdrawn"]
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_publishing_works_where_files_have_only_one_name(
    do_publish: Callable[..., Published], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_args: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    assert do_publish().path.exists()
    with pytest.raises(UsageError):
        do_publish()


def test_what_a_killed_run_left_behind_goes_away(
    do_publish: Callable[..., Published], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Path] = []
    real = door._sync

    def remember(path: Path) -> None:
        seen.append(path)
        real(path)

    monkeypatch.setattr(door, "_sync", remember)
    published = do_publish(name="one")
    left = seen[0]
    # Killed between giving the file its second name and taking away the first.
    os.link(published.path, left)
    do_publish(name="two")
    assert not left.exists()
    assert hashlib.sha256(published.path.read_bytes()).hexdigest() == published.sha256


def test_the_plate_is_never_written_to(do_publish: Callable[..., Published], make_plate: MakePlate) -> None:
    plate = make_plate("out/shot.png")
    before = plate.read_bytes()
    with pytest.raises(UsageError, match="plate itself"):
        do_publish(plate=plate, overwrite=True)
    assert plate.read_bytes() == before


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("mp4", "shot.avi", "choose another name"),
        ("mp4", "shot.png", "choose another name"),
        ("png", "shot.mp4", "choose another name"),
        ("png", "none/shot.png", "make it first"),
        ("png", "folder.png", "is a folder"),
    ],
)
def test_an_output_that_can_not_be_is_refused_before_any_work(
    project: Project,
    permit: Permit,
    make_plate: MakePlate,
    tmp_path: Path,
    kind: str,
    name: str,
    words: str,
) -> None:
    (tmp_path / "folder.png").mkdir()
    render = replace(render_of(make_plate(f"plate.{kind}"), project.folder / "render"), frames_from=lambda _: iter(()))
    with pytest.raises(UsageError, match=words):
        publish(
            project,
            (permit,),
            render,
            tmp_path / name,
            config=PublishConfig(),
            overwrite=True,
            check_leave=never_ends,
            progress=Silent(),
        )


def test_a_render_without_an_altered_frame_is_refused(
    project: Project, permit: Permit, make_plate: MakePlate, tmp_path: Path
) -> None:
    render = replace(render_of(make_plate("plate.png"), project.folder / "render"), altered=(False,))
    with pytest.raises(ProvenanceError, match="nothing to publish"):
        publish(
            project,
            (permit,),
            render,
            tmp_path / "x.png",
            config=PublishConfig(),
            overwrite=False,
            check_leave=never_ends,
            progress=Silent(),
        )


def test_frames_that_end_in_an_error_leave_no_file(
    project: Project, permit: Permit, make_plate: MakePlate, tmp_path: Path
) -> None:
    render = render_of(make_plate("plate.mp4"), project.folder / "render")

    def ends_early(index: int) -> Iterator[Frame]:
        yield next(iter(render.frames_from(index)))
        raise MediaError("the plate broke off")

    (tmp_path / "out").mkdir()
    with pytest.raises(MediaError, match="broke off"):
        publish(
            project,
            (permit,),
            replace(render, frames_from=ends_early),
            tmp_path / "out" / "x.mp4",
            config=PublishConfig(),
            overwrite=False,
            check_leave=never_ends,
            progress=Silent(),
        )
    assert list((tmp_path / "out").iterdir()) == []
    assert events(project) == []


def test_a_plate_exchanged_between_two_fragments_is_not_published(
    project: Project, permit: Permit, make_plate: MakePlate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "FRAGMENT_FRAMES", 3)
    plate, other = make_plate("plate.mp4"), make_plate("other.mp4", shade=60)
    render = render_of(plate, project.folder / "render")
    fragments: list[int] = []

    def exchange() -> None:
        fragments.append(len(list(render.work_folder.rglob("*.nut"))))
        if len(fragments) == 3:
            other.replace(plate)

    (tmp_path / "out").mkdir()
    with pytest.raises(MediaError, match=r"plate\.mp4 changed while it was rendered; run this again"):
        publish(
            project,
            (permit,),
            render,
            tmp_path / "out" / "x.mp4",
            config=PublishConfig(),
            overwrite=False,
            check_leave=exchange,
            progress=Silent(),
        )
    # Asked as the render begins, and before each fragment.
    assert fragments == [0, 0, 1]
    assert list((tmp_path / "out").iterdir()) == []
    assert not render.work_folder.exists()
    assert events(project) == []


def test_frames_that_were_decided_on_covered_or_held_are_counted_in_file_and_log(
    project: Project, permit: Permit, make_plate: MakePlate, tmp_path: Path
) -> None:
    counts = {"num_decided_frames": 3, "num_covered_frames": 2, "num_held_frames": 1}
    published = publish(
        project,
        (permit,),
        replace(render_of(make_plate("plate.mp4"), project.folder / "render"), **counts),  # type: ignore[arg-type]
        tmp_path / "x.mp4",
        config=PublishConfig(),
        overwrite=False,
        check_leave=never_ends,
        progress=Silent(),
    )
    claim = read_credentials(published.path, find_trust()).claim
    assert claim is not None
    assert (claim.num_decided_frames, claim.num_covered_frames, claim.num_held_frames) == (3, 2, 1)
    _, entry = ledger.entries(project)
    assert entry.facts.items() >= counts.items()
    facts = json.loads(project.database.execute("SELECT facts FROM published").fetchone()[0])
    assert facts.items() >= counts.items()


def test_stored_facts_can_be_read_back(do_publish: Callable[..., Published], project: Project) -> None:
    do_publish()
    facts = json.loads(project.database.execute("SELECT facts FROM published").fetchone()[0])
    assert facts["num_altered_frames"] == 1
    assert not facts.keys() & {"num_covered_frames", "num_held_frames"}


@pytest.mark.parametrize(("umask", "mode"), [(0, 0o644), (0o027, 0o640), (0o077, 0o600)])
@pytest.mark.parametrize("kind", ["mp4", "png"])
def test_a_render_is_private_and_a_published_file_is_as_the_umask_says(
    kind: str,
    umask: int,
    mode: int,
    do_publish: Callable[..., Published],
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: dict[str, int] = {}

    def note_modes(media: Path, *args: Any, **options: Any) -> bytes:
        for path in (project.folder / "render", *(project.folder / "render").rglob("*")):
            seen[path.name] = path.stat().st_mode & 0o777
        return sign(media, *args, **options)

    monkeypatch.setattr(door, "sign", note_modes)
    before = os.umask(umask)
    try:
        published = do_publish(kind)
    finally:
        os.umask(before)
    assert published.path.stat().st_mode & 0o777 == mode
    fragments = {"00000.nut"} if kind == "mp4" else set()
    assert {name for name in seen if "." in name} == {f"finished.{kind}", "signing.json"} | fragments
    assert all(found == (0o600 if "." in name else 0o700) for name, found in seen.items()), seen


def test_of_several_permits_all_stand_in_file_and_log(
    project: Project, permit: Permit, make_plate: MakePlate, tmp_path: Path
) -> None:
    other = replace(
        permit, performer="bo", release_digests=("ef" * 32,), digest="12" * 32, synthetic=("performer", "likeness")
    )
    render = replace(render_of(make_plate("plate.png"), project.folder / "render"), num_performers=2)
    published = publish(
        project,
        (permit, other),
        render,
        tmp_path / "x.png",
        config=PublishConfig(),
        overwrite=False,
        check_leave=never_ends,
        progress=Silent(),
    )
    claim = read_credentials(published.path, find_trust()).claim
    assert claim is not None
    salt = bytes.fromhex(project.database.execute("SELECT salt FROM published").fetchone()[0])
    digests = [*permit.release_digests, *other.release_digests]
    assert claim.salted_release_digests == tuple(salted(digest, salt) for digest in digests)
    assert claim.salted_permit_digest == salted(joint_digest((other, permit)), salt)
    assert claim.num_performers == 2
    assert claim.synthetic == ("likeness", "performer")
    _, entry = ledger.entries(project)
    assert entry.facts["permits"] == sorted((permit.digest, other.digest))
    assert entry.facts["permit_digest"] not in entry.facts["permits"]


def test_of_one_permit_file_and_log_say_nothing_of_several(
    do_publish: Callable[..., Published], project: Project, permit: Permit
) -> None:
    assert do_publish().permit_digest == permit.digest
    _, entry = ledger.entries(project)
    assert entry.facts["permit_digest"] == permit.digest
    assert "permits" not in entry.facts
    facts = json.loads(project.database.execute("SELECT facts FROM published").fetchone()[0])
    assert not {"num_performers", "synthetic"} & set(facts)


# What the log holds of it.


def test_a_render_is_in_the_log_before_its_first_frame_also_if_it_never_ends(
    project: Project, permit: Permit, make_plate: MakePlate, tmp_path: Path
) -> None:
    render = render_of(make_plate("plate.mp4"), project.folder / "render")
    seen: list[list[str]] = []

    def frames_from(_: int) -> Iterator[Frame]:
        seen.append([entry.event for entry in ledger.entries(project)])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publish(
            project,
            (permit,),
            replace(render, frames_from=frames_from),
            tmp_path / "x.mp4",
            config=PublishConfig(label=False, unlabelled_reason="credits name the process"),
            overwrite=False,
            check_leave=never_ends,
            progress=Silent(),
        )
    assert seen == [["render.begun"]]
    (entry,) = ledger.entries(project)
    assert entry.facts == {
        "render": "render",
        "plate_sha256": render.plate.sha256,
        "permit_digest": permit.digest,
        "model_digest": render.model_digest,
        "first_frame": 0,
        "num_frames": 6,
        "is_preview": False,
        "label": "left out",
        "label_reason": "credits name the process",
    }


def test_no_render_begins_without_consent(
    project: Project, permit: Permit, make_plate: MakePlate, tmp_path: Path
) -> None:
    def ended() -> None:
        raise ConsentError("the release was revoked")

    render = render_of(make_plate("plate.png"), project.folder / "render")
    with pytest.raises(ConsentError):
        publish(
            project,
            (permit,),
            render,
            tmp_path / "x.png",
            config=PublishConfig(),
            overwrite=False,
            check_leave=ended,
            progress=Silent(),
        )
    assert ledger.check(project) == 0
    assert not render.work_folder.exists()


def test_the_log_s_head_is_in_the_credentials(do_publish: Callable[..., Published], project: Project) -> None:
    do_publish(name="one")
    claim = read_credentials(do_publish(name="two").path, find_trust()).claim
    assert claim is not None
    head = list(ledger.entries(project))[2]
    assert (head.number, head.event) == (3, "render.begun")
    assert (claim.log_number, claim.log_digest) == (3, head.digest)


# What a killed run leaves.


@pytest.fixture
def leave_by_a_kill(project: Project, permit: Permit, make_plate: MakePlate, tmp_path: Path) -> Callable[[str], None]:
    """Publish plate.mp4 as out/shot.mp4 in a process of its own, which ends as by kill -9 at a function of publish."""
    (tmp_path / "out").mkdir()
    plate = make_plate("plate.mp4")

    def run(stage: str) -> None:
        child = os.fork()
        if child == 0:
            setattr(door, stage, lambda *_args, **_options: os._exit(9))
            # Threads of a net that was loaded before the fork aren't in the new process.
            setattr(gates, "opened_net", lambda: lambda _: 0.0)  # noqa: B010
            with opened(project.folder) as own:
                publish(
                    own,
                    (permit,),
                    render_of(plate, own.room("renders") / "abc"),
                    tmp_path / "out" / "shot.mp4",
                    config=PublishConfig(),
                    overwrite=False,
                    check_leave=never_ends,
                    progress=Silent(),
                )
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9

    return run


def left_in(project: Project) -> set[str]:
    return {path.name for path in (project.folder / "renders").rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("stage", "num_signed", "became"),
    [
        ("join_fragments", 0, []),
        ("sign", 0, []),
        ("_check_signed", 1, []),
        ("_put_in_place", 1, ["published", "withdrawn"]),
    ],
)
def test_what_a_kill_leaves_is_swept_but_for_fragments(
    leave_by_a_kill: Callable[[str], None],
    project: Project,
    tmp_path: Path,
    stage: str,
    num_signed: int,
    became: list[str],
) -> None:
    out = tmp_path / "out"
    leave_by_a_kill(stage)
    assert len(list(out.iterdir())) == num_signed
    assert "signing.json" in left_in(project)
    door.sweep(project)
    assert list(out.iterdir()) == []
    assert left_in(project) == {"00000.nut"}
    assert events(project) == became
    assert num_known(tmp_path) == 0
    assert project.database.execute("SELECT count(*) FROM published").fetchone() == (0,)
    ledger.check(project)
    door.sweep(project)
    assert events(project) == became


def test_a_file_that_has_its_name_is_kept_by_the_sweep(
    leave_by_a_kill: Callable[[str], None], project: Project, tmp_path: Path
) -> None:
    leave_by_a_kill("_put_in_place")
    (signed,) = (tmp_path / "out").iterdir()
    output = tmp_path / "out" / "shot.mp4"
    # Killed between giving the file its second name and taking away the first.
    os.link(signed, output)
    door.sweep(project)
    assert list((tmp_path / "out").iterdir()) == [output]
    assert events(project) == ["published"]
    assert num_known(tmp_path) == 1


@pytest.mark.parametrize("content", ["", "{}", '{"signed": 7, "output": 8}', "[" * 9, "other"])
def test_a_note_cannot_make_the_sweep_remove_another_file(project: Project, tmp_path: Path, content: str) -> None:
    mine = tmp_path / "mine.mp4"
    mine.write_bytes(b"mine")
    folder = project.room("renders") / "abc"
    folder.mkdir()
    note = {"signed": str(mine), "output": str(tmp_path / "x.mp4")}
    (folder / "signing.json").write_text(json.dumps(note) if content == "other" else content)
    door.sweep(project)
    assert mine.read_bytes() == b"mine"
    assert left_in(project) == set()


def test_any_command_that_writes_sweeps(
    leave_by_a_kill: Callable[[str], None], project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_by_a_kill("_check_signed")
    monkeypatch.chdir(project.folder)
    with here(writing=False), here(writing=True, alone=False):
        assert list((tmp_path / "out").iterdir())
    with here(writing=True):
        assert not list((tmp_path / "out").iterdir())
