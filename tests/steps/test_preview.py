"""A preview is what `generate` would draw, marked; it opens once, writes only kept faces, and ends with consent."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from countenance import gates, ledger
from countenance.consent.permit import grant, grant_prepare
from countenance.errors import ConsentError, FaceError, IntimateError, MediaError, UsageError
from countenance.media.probe import probe
from countenance.model.guided.drawer import GuidedDrawer
from countenance.pixels import Pixels
from countenance.progress import Silent
from countenance.provenance import preview as marking
from countenance.provenance.label import CORNERS, box_of_label
from countenance.provenance.proxy import draw_words
from countenance.steps import generate as generate_module
from countenance.steps import labelled, places, preview
from countenance.steps.drawings import GenerateConfig, Pair
from countenance.steps.preview import Preview, open_preview
from countenance.steps.review_plate import review_plate
from countenance.steps.shots import list_shots, write_shots
from countenance.types import Frame, MediaInfo, Render
from countenance.watermark.read import read
from tests.support.production import LIKENESS, PERFORMER, UNLABELLED, Production
from tests.support.videos import clip_of, frames_of, grey, write_video

CONFIG = replace(UNLABELLED, model="base", preset="draft", threads=1)
FIRST_OF_SECOND = 10
NUM_FRAMES = 16
FEW = frames_of("performance.mp4", 4)


class EnoughError(Exception):
    """Ends a job once its render is known."""


@pytest.fixture
def plate(trained: Production, tmp_path: Path) -> Path:
    """Two shots of the performer, looked through for them; a batch lies across the cut."""
    frames = [*frames_of("performance.mp4", FIRST_OF_SECOND), *clip_of(PERFORMER, NUM_FRAMES - FIRST_OF_SECOND)]
    path = write_video(tmp_path / "plate.mp4", frames)
    scan(trained, path)
    return path


def scan(production: Production, plate: Path) -> None:
    permit = grant_prepare(production.project, PERFORMER)
    review_plate(production.project, PERFORMER, permit, plate, [], forget=False, progress=Silent())


def pair(production: Production, *, is_disguise: bool = False) -> Pair:
    permit = grant(production.project, "generate", likeness=LIKENESS, performer=PERFORMER)
    return Pair(likeness=LIKENESS, performer=PERFORMER, permit=permit, is_disguise=is_disguise)


def opened(
    production: Production, plate: Path, config: GenerateConfig = CONFIG, *, is_disguise: bool = False
) -> Preview:
    pairs = [pair(production, is_disguise=is_disguise)]
    return open_preview(production.project, plate, pairs, config, progress=Silent())


@pytest.fixture
def shown(trained: Production, plate: Path) -> Iterator[Preview]:
    with opened(trained, plate) as preview:
        yield preview


@pytest.fixture
def own_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    """The composite's own pixels come out."""
    monkeypatch.setattr(marking, "mark", lambda pixels, _: pixels)
    monkeypatch.setattr(marking, "draw_words", lambda pixels, _: pixels)
    monkeypatch.setattr(marking, "draw_label", lambda pixels, _: pixels)


def rendered(
    production: Production, plate: Path, config: GenerateConfig, monkeypatch: pytest.MonkeyPatch, **asked: Any
) -> list[Frame]:
    """The frames that `generate` gives to `publish`."""
    frames: list[Frame] = []

    def take(_: object, __: object, render: Render, *___: object, **____: object) -> None:
        frames.extend(render.frames_from(render.frames.start))
        raise EnoughError

    monkeypatch.setattr(generate_module, "publish", take)
    with pytest.raises(EnoughError):
        production.generate(plate, plate.with_name("shot.mp4"), config, **asked)
    return frames


@pytest.mark.usefixtures("own_pixels")
def test_a_frame_is_what_generate_draws(trained: Production, plate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With settings for which frames around it count, too; those of the defaults are compared below."""
    config = replace(CONFIG, keep_faces_gb=0, skin="likeness", halo=0.7, sentence="A sentence.", sentence_s=0.3)
    shot_changes = ["shot.colour=0.8", "shot.feather=0.03", "shot.likeness=0.5"]
    expected = rendered(trained, plate, config, monkeypatch, shot_changes=shot_changes)
    with opened(trained, plate, config) as preview:
        for index in (9, 10, 3, 15):
            frame, own = preview.frame(index, shot_changes), preview.plate(index)
            assert np.array_equal(frame, expected[index].rgb), index
            assert np.abs(frame.astype(int) - own).max() > 20


@pytest.mark.usefixtures("own_pixels")
def test_of_a_disguise_covers_are_those_of_generate(
    trained: Production, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plate = write_video(
        tmp_path / "plate.mp4", [*frames_of("performance.mp4", 8), *[np.full((256, 256, 3), 110, np.uint8)] * 4]
    )
    scan(trained, plate)
    expected = rendered(trained, plate, CONFIG, monkeypatch, is_disguise=True)
    with opened(trained, plate, is_disguise=True) as preview:
        for index in (7, 8, 2):
            assert np.array_equal(preview.frame(index), expected[index].rgb), index


@pytest.mark.usefixtures("own_pixels")
def test_what_a_shot_s_file_and_an_artist_set_counts_at_once(
    trained: Production, shown: Preview, plate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {index: shown.frame(index) for index in (4, 12)}
    write_shots(trained.project, plate, [1], Silent())
    shot, _ = list_shots(trained.project, plate, Silent()).shots
    shot.path.write_text("sharpness = -1.0\nlikeness = { 0 = 0.0, 9 = 1.0 }")
    expected = rendered(trained, plate, CONFIG, monkeypatch)
    assert np.array_equal(shown.frame(4), expected[4].rgb)
    assert not np.array_equal(shown.frame(4), before[4])
    assert np.array_equal(shown.frame(12), before[12])
    assert np.array_equal(shown.frame(0), shown.plate(0))
    # A change goes above the file.
    assert np.array_equal(shown.frame(4, ["shot.likeness=1", "shot.sharpness=0"]), before[4])


def test_settings_alone_open_nothing_and_draw_nothing(shown: Preview, monkeypatch: pytest.MonkeyPatch) -> None:
    shown.frame(4)

    def never(*_: object, **__: object) -> None:
        raise AssertionError("opened again")

    for module, name in (
        (places, "check_faces"),
        (places, "placed_faces"),
        (preview, "stored_faces"),
        (preview, "everybody_in"),
        (preview, "opened_drawing"),
        (preview, "corner_in"),
        (GuidedDrawer, "__call__"),
        (labelled, "frames_at"),
    ):
        monkeypatch.setattr(module, name, never)
    frames = [shown.frame(4, [f"shot.{change}"]) for change in ("sharpness=0.5", "grow=0.05", "likeness=0.4")]
    assert len({frame.tobytes() for frame in frames}) == 3
    # Another shot is opened when it is asked for.
    with pytest.raises(AssertionError, match="opened again"):
        shown.frame(12)


@pytest.mark.usefixtures("own_pixels")
def test_kept_faces_are_those_of_generate(
    trained: Production, plate: Path, shown: Preview, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = [shown.frame(index) for index in range(NUM_FRAMES)]
    calls: list[int] = []
    real = GuidedDrawer.__call__

    def counted(drawer: GuidedDrawer, faces: Sequence[Any]) -> Any:
        calls.append(len(faces))
        return real(drawer, faces)

    monkeypatch.setattr(GuidedDrawer, "__call__", counted)
    after = rendered(trained, plate, CONFIG, monkeypatch)
    assert calls == []
    assert all(np.array_equal(one, other.rgb) for one, other in zip(first, after, strict=True))


def test_what_comes_out_is_marked_and_labelled_whatever_the_settings_say(shown: Preview) -> None:
    assert not CONFIG.label
    frame, own = shown.frame(4), shown.plate(4)
    height, width = frame.shape[:2]
    found = read([frame])
    assert found is not None
    assert found.mark_id == shown.mark_id
    assert read([own]) is None
    change = np.abs(frame.astype(int) - own).mean(axis=2)
    labels = []
    for corner in CORNERS:
        left, top, right, bottom = np.multiply(box_of_label((width, height), corner), (width, height) * 2).astype(int)
        labels.append(change[top:bottom, left:right].mean())
    assert max(labels) > 50
    # PREVIEW stands along the left edge, also where nothing else is changed.
    assert change[:, : width // 25].mean() > 40
    left_out = np.abs(shown.frame(4, ["shot.who=nobody"]).astype(int) - own).mean(axis=2)
    assert left_out[:, : width // 25].mean() > 40
    assert left_out[:, width // 12 :].max() == 0


def test_nothing_is_written_but_kept_faces_and_that_it_was_allowed(trained: Production, plate: Path) -> None:
    def files() -> set[str]:
        folder = trained.project.folder
        return {
            path.relative_to(folder).as_posix()
            for path in folder.rglob("*")
            if path.is_file() and not path.name.startswith("countenance.db")
        }

    before = files()
    with opened(trained, plate) as preview:
        preview.frame(4)
        preview.frame(12, ["shot.colour=1"])
        entry = list(ledger.entries(trained.project))[-1]
        assert entry.event == "permit.granted"
        assert (entry.facts["plate"], entry.facts["counted"]) == (preview.info.sha256, False)
    new = files() - before
    assert new
    assert all(name.startswith(f"drawn/{LIKENESS}/{PERFORMER}/") for name in new)
    with opened(trained, plate, replace(CONFIG, keep_faces_gb=0)) as preview:
        preview.frame(8)
    assert files() <= before


def test_a_revocation_ends_it_and_what_is_kept_goes(trained: Production, shown: Preview) -> None:
    shown.frame(4)
    kept = trained.project.folder / "drawn" / LIKENESS / PERFORMER
    assert any(kept.iterdir())
    trained.revoke(trained.release_of(LIKENESS))
    for show in (shown.frame, shown.plate):
        with pytest.raises(ConsentError, match="revoked"):
            show(4)
    assert not kept.exists()


def test_a_revocation_while_a_frame_is_drawn_shows_nothing(
    trained: Production, shown: Preview, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = GuidedDrawer.__call__

    def revoked_meanwhile(drawer: GuidedDrawer, faces: Sequence[Any]) -> Any:
        trained.revoke(trained.release_of(LIKENESS))
        return real(drawer, faces)

    monkeypatch.setattr(GuidedDrawer, "__call__", revoked_meanwhile)
    with pytest.raises(ConsentError, match="revoked"):
        shown.frame(4)
    assert not (trained.project.folder / "drawn" / LIKENESS / PERFORMER).exists()


def test_a_permit_made_by_hand_opens_nothing(trained: Production, plate: Path) -> None:
    permit = replace(pair(trained).permit, digest="0" * 64)
    with pytest.raises(ConsentError):
        open_preview(
            trained.project,
            plate,
            [Pair(likeness=LIKENESS, performer=PERFORMER, permit=permit, is_disguise=False)],
            CONFIG,
            progress=Silent(),
        )


def test_a_plate_that_changes_while_it_is_opened_is_not_shown(
    trained: Production, plate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def probe_then_change(path: Path) -> MediaInfo:
        info = probe(path)
        os.utime(path, ns=(0, 0))
        return info

    monkeypatch.setattr(preview, "probe", probe_then_change)
    with opened(trained, plate) as shown, pytest.raises(MediaError, match=r"plate\.mp4 changed"):
        shown.plate(0)


def test_a_plate_must_have_been_looked_through_and_show_the_performer(trained: Production, tmp_path: Path) -> None:
    plate = write_video(tmp_path / "other.mp4", frames_of("performance.mp4", 4))
    with pytest.raises(FaceError, match=f"countenance faces review {PERFORMER} --plate") as caught:
        opened(trained, plate)
    assert caught.value.code == "face.not_scanned"
    nobody = grey(tmp_path / "nobody.mp4")
    scan(trained, nobody)
    with pytest.raises(FaceError, match="no face was found in nobody") as caught:
        opened(trained, nobody)
    assert caught.value.code == "face.not_found"


def test_where_approval_is_asked_for_it_is_a_proxy(
    trained: Production, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = trained.sign(LIKENESS, approval=True)
    trained.revoke(trained.release_of(LIKENESS))
    trained.add(path)
    trained.prepare(LIKENESS)
    large = [np.pad(np.kron(rgb, np.ones((2, 2, 1), np.uint8)), ((0, 0), (0, 512), (0, 0))) for rgb in FEW]
    plate = write_video(tmp_path / "large.mp4", large)
    scan(trained, plate)
    said: list[str] = []

    def noted(pixels: Pixels, words: str) -> Pixels:
        said.append(words)
        return draw_words(pixels, words)

    monkeypatch.setattr(marking, "draw_words", noted)
    with opened(trained, plate) as preview:
        frame = preview.frame(2)
        assert preview.plate(2).shape == (512, 1024, 3)
    assert frame.shape == (320, 640, 3)
    assert said == ["NOT APPROVED"]


def test_what_looks_intimate_is_not_shown(trained: Production, shown: Preview, monkeypatch: pytest.MonkeyPatch) -> None:
    trained.project.database.execute("DELETE FROM passed_footage")
    shown.frame(4)
    monkeypatch.setattr(gates, "opened_net", lambda: lambda _: 0.95)
    with pytest.raises(IntimateError, match=r"frame 4 \(0\.17 s\) of what was made of plate\.mp4"):
        shown.frame(4)
    for show in (shown.frame, shown.plate):
        with pytest.raises(IntimateError, match=r"frame 5 \(0\.21 s\) of plate\.mp4"):
            show(5)


def test_what_cannot_be_shown_is_told(shown: Preview, plate: Path) -> None:
    for index in (-1, NUM_FRAMES):
        for show in (shown.frame, shown.plate):
            with pytest.raises(UsageError, match=f"expected a frame from 0 to {NUM_FRAMES - 1}, got {index}"):
                show(index)
    with pytest.raises(UsageError, match=r"shot\.sharpness"):
        shown.frame(4, ["shot.sharpness=7"])
    with pytest.raises(UsageError, match="nora"):
        shown.frame(4, ["shot.who=nora"])
    assert shown.frame(4).any()
    # What was found is of the plate as it was.
    os.utime(plate, ns=(0, 0))
    with pytest.raises(MediaError, match=r"plate\.mp4 changed"):
        shown.frame(4)
    plate.unlink()
    with pytest.raises(MediaError, match=r"plate\.mp4 can't be read"):
        shown.plate(4)
