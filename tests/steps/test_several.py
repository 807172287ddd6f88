"""Several performers and their likenesses in one pass: each gets their own, and nobody else is touched."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from countenance import ledger
from countenance.composite.render import swap_render
from countenance.consent.permit import grant
from countenance.errors import ConsentError, FaceError, UsageError
from countenance.faces.plate import require_performer
from countenance.faces.store import StoredFace
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.progress import Silent
from countenance.provenance.credentials import read_credentials
from countenance.provenance.keys import find_trust
from countenance.steps import generate as generate_module
from countenance.steps import places as places_module
from countenance.steps.documents import generated_document
from countenance.steps.generate import Generated, Pair, generate
from countenance.steps.verify import verify
from tests.support.production import LIKENESS, PERFORMER, STRANGER, UNLABELLED, Production
from tests.support.recorder import Recorder
from tests.support.videos import Rgb, clip_of, frames_of, write_video

pytestmark = pytest.mark.usefixtures("unmarked")

ZURI, KOFI, MIRA = LIKENESS, PERFORMER, STRANGER
NUM_FRAMES = 8
CONFIG = replace(UNLABELLED, model="base", preset="draft")
CODEC_NOISE, LARGEST_CODEC_NOISE = 1.0, 12.0
"""Differences of pixels, 0–255, mean and largest, that encoding stays below."""
FACE = np.s_[70:170, 90:170]
"""Where each of the three has their face, in the 256 px of their own."""


@pytest.fixture
def three(trained: Production) -> Production:
    """Kofi lends his face as well, and mira is a performer with a release and no footage."""
    trained.add(trained.sign(KOFI, role="likeness"))
    trained.add(trained.sign(MIRA))
    return trained


@pytest.fixture
def plate(tmp_path: Path) -> Path:
    """Kofi, mira and zuri side by side."""
    people = (frames_of("performance.mp4", NUM_FRAMES), clip_of(MIRA, NUM_FRAMES), clip_of(ZURI, NUM_FRAMES))
    return write_video(tmp_path / "plate.mp4", [np.hstack(rgb) for rgb in zip(*people, strict=True)])


def pairs_of(production: Production, *names: tuple[str, str]) -> list[Pair]:
    return [
        Pair(
            likeness=likeness,
            performer=performer,
            permit=grant(production.project, "generate", likeness=likeness, performer=performer),
            is_disguise=False,
        )
        for likeness, performer in names
    ]


def generated(
    production: Production, plate: Path, output: Path, *names: tuple[str, str], progress: Recorder | None = None
) -> Generated:
    pairs = pairs_of(production, *names)
    return generate(production.project, plate, pairs, output, CONFIG, overwrite=False, progress=progress or Silent())


def parts(path: Path) -> list[list[Rgb]]:
    """Each frame as three pictures, one of each person."""
    return [np.split(frame.rgb, 3, axis=1) for frame in read_frames(probe(path))]


def change(before: Rgb, after: Rgb) -> np.ndarray:
    return np.asarray(np.abs(before.astype(np.float32) - after.astype(np.float32)).mean(axis=2))


def test_each_gets_the_likeness_of_their_own_and_the_third_is_untouched(
    three: Production, plate: Path, tmp_path: Path
) -> None:
    result = generated(three, plate, tmp_path / "both.mp4", (ZURI, KOFI), (KOFI, MIRA))
    generated(three, plate, tmp_path / "kofi.mp4", (ZURI, KOFI))
    generated(three, plate, tmp_path / "mira.mp4", (KOFI, MIRA))
    assert result.published.num_altered_frames == NUM_FRAMES
    rows = zip(*(parts(tmp_path / name) for name in ("plate.mp4", "both.mp4", "kofi.mp4", "mira.mp4")), strict=True)
    for before, both, kofi_alone, mira_alone in rows:
        for place, alone in ((0, kofi_alone), (1, mira_alone)):
            assert change(before[place], both[place])[FACE].mean() > 5
            # As though the other weren't there.
            assert change(alone[place], both[place]).mean() < CODEC_NOISE
            corners = np.ones((256, 256), bool)
            corners[30:240, 40:220] = False
            assert change(before[place], both[place])[corners].max() < LARGEST_CODEC_NOISE
        assert change(before[2], both[2]).mean() < CODEC_NOISE
        assert change(before[2], both[2]).max() < LARGEST_CODEC_NOISE


def test_records_and_results_hold_every_pair(three: Production, plate: Path, tmp_path: Path) -> None:
    names = ((ZURI, KOFI), (KOFI, MIRA))
    result = generated(three, plate, tmp_path / "shot.mp4", *names)
    permits = [pair.permit for pair in pairs_of(three, *names)]
    digests = sorted(permit.digest for permit in permits)
    entry = list(ledger.entries(three.project))[-1]
    assert entry.facts["permits"] == digests
    assert entry.facts["permit_digest"] == result.published.permit_digest
    assert entry.facts["permit_digest"] == hashlib.sha256(ledger.canonical_json(digests)).hexdigest()
    claim = read_credentials(tmp_path / "shot.mp4", find_trust()).claim
    assert claim is not None
    assert claim.num_performers == 2
    # Of four releases: zuri's, kofi's two, and mira's.
    assert (
        len(claim.salted_release_digests) == len({each for permit in permits for each in permit.release_digests}) == 4
    )
    (edits,) = [each for each in verify(tmp_path / "shot.mp4", three.project).report.findings if each.about == "edits"]
    assert edits.summary == "The faces of 2 people were replaced by generated ones in 8 of 8 frames."
    assert "they were drawn from pictures of the people; no model was trained on them" in edits.reasons
    (facts,) = three.project.database.execute("SELECT facts FROM runs ORDER BY rowid DESC LIMIT 1").fetchone()
    assert [(each["likeness"], each["performer"]) for each in json.loads(facts)["pairs"]] == list(names)
    assert [each["performer"] for each in generated_document(result)["pairs"]] == [KOFI, MIRA]


def test_frames_that_were_not_altered_are_told_of_each_performer(three: Production, tmp_path: Path) -> None:
    empty = [np.full((256, 256, 3), 110, np.uint8)] * NUM_FRAMES
    kofi, mira = frames_of("performance.mp4", 2 * NUM_FRAMES), [*clip_of(MIRA, NUM_FRAMES), *empty]
    plate = write_video(tmp_path / "plate.mp4", [np.hstack(rgb) for rgb in zip(kofi, mira, strict=True)])
    result = generated(three, plate, tmp_path / "shot.mp4", (ZURI, KOFI), (KOFI, MIRA))
    assert [pair.num_altered_frames for pair in result.pairs] == [2 * NUM_FRAMES, NUM_FRAMES]
    assert [pair.unaltered_spans for pair in result.pairs] == [(), ((NUM_FRAMES / 24, 2 * NUM_FRAMES / 24),)]
    assert result.unaltered_spans == ()


def test_a_performer_who_is_not_there_is_named_and_nothing_is_made(three: Production, tmp_path: Path) -> None:
    plate = write_video(tmp_path / "plate.mp4", frames_of("performance.mp4", NUM_FRAMES))
    with pytest.raises(FaceError, match=f"none is {MIRA}'s"):
        generated(three, plate, tmp_path / "shot.mp4", (ZURI, KOFI), (KOFI, MIRA))
    assert not (tmp_path / "shot.mp4").exists()


@pytest.mark.parametrize("person", [KOFI, MIRA])
def test_it_stops_when_a_release_of_any_pair_is_revoked(
    three: Production, plate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, person: str
) -> None:
    real = swap_render

    def revoked_meanwhile(*args: object, **kwargs: object) -> object:
        three.revoke(three.release_of(person))
        return real(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(generate_module, "swap_render", revoked_meanwhile)
    with pytest.raises(ConsentError, match=f"the release of {person} was revoked"):
        generated(three, plate, tmp_path / "shot.mp4", (ZURI, KOFI), (KOFI, MIRA))
    assert not (tmp_path / "shot.mp4").exists()
    assert not list((three.project.folder / "renders").iterdir())


def test_each_permit_must_be_for_its_own_pair(three: Production, plate: Path, tmp_path: Path) -> None:
    first, second = pairs_of(three, (ZURI, KOFI), (KOFI, MIRA))
    crossed = [replace(first, permit=second.permit), replace(second, permit=first.permit)]
    with pytest.raises(ConsentError, match="expected a permit for zuri and kofi, got one for kofi and mira"):
        generate(three.project, plate, crossed, tmp_path / "x.mp4", CONFIG, overwrite=False, progress=Silent())


def test_a_face_that_two_performers_claim_stays_as_it_is(
    three: Production, plate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: dict[str, list[StoredFace]] = {}
    real = require_performer

    def mistaken_performer(project: object, performer: str, *args: object, **kwargs: object) -> list[StoredFace]:
        found[performer] = real(project, performer, *args, **kwargs)  # type: ignore[arg-type]
        if performer == KOFI:
            return found[KOFI]
        # Mira's scan takes kofi's face for hers, in a track of its own, beside her own.
        mistaken = [replace(face, id=-face.id, track=-face.track) for face in found[KOFI]]
        return sorted([*found[MIRA], *mistaken], key=lambda face: face.frame)

    monkeypatch.setattr(places_module, "require_performer", mistaken_performer)
    progress = Recorder()
    with pytest.raises(FaceError, match=r"every face in plate\.mp4 that may be kofi's may be another performer's"):
        generated(three, plate, tmp_path / "shot.mp4", (ZURI, KOFI), (KOFI, MIRA), progress=progress)
    (note,) = [each for each in progress.notes if "may be kofi's or mira's" in each]
    assert note.startswith("a face in 8 frames between 0.00 s and 0.29 s may be")
    assert "faces review kofi --plate" in note


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "expected a likeness and a performer, got none"),
        (((KOFI, KOFI),), "kofi is to get their own face"),
        (((ZURI, KOFI), (MIRA, KOFI)), "kofi is named more than once"),
    ],
)
def test_pairs_that_cannot_be_put_together(names: tuple[tuple[str, str], ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        generate_module.check_pairs(names)


def test_one_likeness_may_serve_several_and_two_may_swap() -> None:
    generate_module.check_pairs(((ZURI, KOFI), (ZURI, MIRA)))
    generate_module.check_pairs(((ZURI, KOFI), (KOFI, ZURI)))
