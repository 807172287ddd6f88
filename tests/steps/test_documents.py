"""What programs read: plain JSON, under keys that stay."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from countenance.composite.shot import ShotSettings
from countenance.composite.shotfile import Shot
from countenance.config import describe_settings
from countenance.consent.challenge import Challenge
from countenance.consent.decision import Decision
from countenance.consent.register import Added, KnownRelease
from countenance.consent.release import Release, Revocation
from countenance.errors import MediaError
from countenance.faces.faceset import Prepared
from countenance.faces.store import StoredFace
from countenance.footage import Clip
from countenance.ledger import Head, LogEntry, Signer
from countenance.model.checkpoint import Checkpoint
from countenance.model.config import TrainConfig
from countenance.provenance.anchor import Anchor, ExportedLog
from countenance.review.query import WaitingTrack
from countenance.steps import documents
from countenance.steps.approval import Finished
from countenance.steps.collect import Collected
from countenance.steps.forget import Forgotten, Holdings
from countenance.steps.generate import Generated, GeneratedPair
from countenance.steps.review import Imported, Sheets
from countenance.steps.shots import PlateShots
from countenance.steps.statement import Asked, Stated
from countenance.steps.timeline import PairTimeline, PlateTimeline, Problem, Track
from countenance.steps.verify import Examination
from countenance.types import FaceSet, Finding, MediaInfo, Published, Report
from tests.support.made_up import QUALITY
from tests.support.signals import signal_of

DIGEST = "ab" * 32
CLIP = Clip(sha256=DIGEST, name="dana.mp4", num_frames=48, duration_s=2.0)
FACE = StoredFace(
    id=1,
    clip_sha256=DIGEST,
    frame=24,
    track=1,
    shot=0,
    landmarks_xyz=np.zeros((468, 3), np.float32),
    score=0.99,
    quality=QUALITY,
    distance=0.4,
    margin=0.1,
    mask_origin="segmenter",
    has_crop=True,
    rejections=("unsure who",),
)
PREPARED = Prepared(
    face_set=FaceSet(
        person="dana", num_faces=5, digest=DIGEST, permit_digest="p", release_digests=("r",), crop_size=256
    ),
    num_clips=1,
    num_found=7,
    num_others=2,
    rejections=Counter({"blurred": 2}),
)
PUBLISHED = Published(
    path=Path("shot.mp4"),
    sha256=DIGEST,
    manifest_digest="m",
    permit_digest="p",
    log_index=3,
    num_frames=8,
    num_altered_frames=7,
)
EXAMINATION = Examination(
    report=Report(
        path=Path("shot.mp4"),
        sha256=DIGEST,
        findings=(Finding(about="log", state="valid", summary="s", reasons=("r",), limits=("l",)),),
    ),
    signal=signal_of(0.9, 0.2),
    facts=(("signer", "Winter Ltd"),),
)
SHOT = Shot(number=1, frames=range(48), begins_s=0.0, ends_s=2.0, path=Path("shots/0001.toml"), settings=ShotSettings())
PAIR = GeneratedPair(
    likeness="dana",
    performer="kim",
    num_altered_frames=7,
    unaltered_spans=((0.0, 0.5),),
    faded_spans=(),
    covered_spans=(),
    drawn_with="base",
    num_references=24,
)
INFO = MediaInfo(
    path=Path("dana.mp4"),
    kind="video",
    sha256=DIGEST,
    resolution_wh=(64, 48),
    rotation_deg=0,
    num_frames=48,
    frame_rate=Fraction(24),
    time_base=Fraction(1, 24),
    duration=Fraction(2),
    bit_depth=8,
    colour_space="bt709",
    colour_range="limited",
    has_audio=False,
    notes=("its end is damaged",),
)
TIMELINE = PlateTimeline(
    plate=INFO,
    shots=(SHOT,),
    bins=np.array([0]),
    pairs=(
        PairTimeline(
            likeness="dana",
            performer="kim",
            is_scanned=True,
            scan_with="look",
            problems=(
                Problem(
                    kind="soft", frames=range(4), begins_s=0.0, ends_s=0.2, is_replaced=True, sentence="Look there."
                ),
            ),
            track=Track(**dict.fromkeys(("presence", "confidence", "yaw_deg"), np.ones(1, np.float32))),
        ),
    ),
)
RELEASE = Release.model_validate(
    {
        "kind": "release",
        "version": 2,
        "language": "en",
        "summary": ("It is for research.",),
        "id": "0b8e5f4c-0000-4000-8000-000000000000",
        "role": "likeness",
        "subject": {"person": "dana", "adult_attested": True, "synthetic": True},
        "licensee": {"name": "Winter Ltd", "public_key": DIGEST},
        "references": ({"file": "dana.png", "sha256": DIGEST},),
        "scope": {"project": "Winter", "uses": ("film",), "explicit": (), "plates": (), "channels": ("cinema",)},
        "term": {"valid_from": date(2027, 1, 1), "expires": date(2027, 12, 31)},
        "data": {"biometric_processing": True, "third_party_training": False, "transferable": False, "footage": ()},
        "disclosure": {"label": "always shown", "credentials": True, "watermark": True},
        "approval": {"needed": False},
        "revocation": {"how": "by mail"},
    }
)
REVOCATION = Revocation.model_validate(
    {"kind": "revocation", "version": 1, "release": DIGEST, "person": "dana", "revoked_on": date(2027, 6, 1)}
)
HOLDINGS = Holdings(
    person="dana",
    is_known=True,
    num_faces=3,
    num_clips=1,
    tracks_of_others=(),
    folders={"models": (Path("models/dana-onto-kim"),)},
    footage=(Path("dana.mp4"),),
    published={DIGEST: Path("shot.mp4")},
    others=(Path("notes.txt"),),
    permits=frozenset(),
)
FORGOTTEN_KEYS = {"person", "deleted", "data", "record", "prepare_again", "stays"}
DECISION = Decision.model_validate(
    {
        "kind": "decision",
        "version": 1,
        "verdict": "approved",
        "person": "dana",
        "release": DIGEST,
        "request": DIGEST,
        "result": DIGEST,
        "proxy": DIGEST,
        "decided_at": "2027-06-01T12:00:00+00:00",
    }
)
GENERATED = {"output", "sha256", "manifest", "permit", "log_index", "frames", "altered_frames"} | {
    *("plate_frames", "unaltered_spans_s", "faded_spans_s", "covered_spans_s", "drawn_with", "references"),
}
WRITTEN = {"path", "kind", "person", "release", "signed"}
CASES: dict[str, tuple[Callable[[], Any], set[str]]] = {
    "collected": (
        lambda: documents.collected_document(
            "dana",
            Collected(clips=(INFO,), known=(Path("old.mp4"),), left_out=((Path("a.txt"), "not a video"),)),
        ),
        {"person", "clips", "known", "left_out"},
    ),
    "prepared": (
        lambda: documents.prepared_document("dana", PREPARED),
        {"person", "faces_found", "faces_kept", "faces_of_others", "left_out", "face_set", "permit"},
    ),
    "trained": (
        lambda: documents.trained_document(
            Path("models/dana-onto-kim"),
            Checkpoint(
                people=("dana", "kim"),
                config={},
                images_seen=8,
                best_images=4,
                measured_images=8,
                ended_early=False,
                face_set_digests=("a", "b"),
                release_digests=("r",),
                permit_digest="p",
                versions={},
                weights_name="x.safetensors",
                weights_sha256=DIGEST,
            ),
            [4],
        ),
        {"model", "images_seen", "best_images", "ended_early", "kept_images", "weights"},
    ),
    "generated": (
        lambda: documents.generated_document(
            Generated(
                published=PUBLISHED,
                unaltered_spans=((0.0, 0.5),),
                faded_spans=(),
                covered_spans=(),
                shown=range(4, 10),
                drawn_with="base",
                num_references=24,
                pairs=(PAIR,),
            )
        ),
        GENERATED,
    ),
    "a proxy": (
        lambda: documents.generated_document(
            Generated(
                published=replace(PUBLISHED, is_proxy=True),
                unaltered_spans=(),
                faded_spans=(),
                covered_spans=(),
                shown=None,
                drawn_with="base",
                num_references=24,
                pairs=(PAIR,),
                awaited=("dana",),
                requests=(Path("shot.dana.approval.toml"),),
            )
        ),
        GENERATED | {"is_proxy", "awaited", "requests"},
    ),
    "a file that was published by a process that was killed": (
        lambda: documents.finished_document(Finished(published=PUBLISHED, awaited=(), requests=())),
        {"output", "sha256", "manifest", "permit", "log_index", "frames", "altered_frames"},
    ),
    "generated for several performers": (
        lambda: documents.generated_document(
            Generated(
                published=PUBLISHED,
                unaltered_spans=(),
                faded_spans=(),
                covered_spans=(),
                shown=None,
                drawn_with="mixed",
                num_references=48,
                pairs=(PAIR, replace(PAIR, performer="bo")),
            )
        )["pairs"][1],
        {
            "likeness",
            "performer",
            "altered_frames",
            "unaltered_spans_s",
            "faded_spans_s",
            "covered_spans_s",
            "drawn_with",
            "references",
        },
    ),
    "shots": (
        lambda: documents.shots_document(PlateShots(plate=INFO, folder=Path("shots"), shots=(SHOT,)))["shots"][0],
        {"shot", "frames", "begins_s", "ends_s", "file", "settings", "keys", "held_frames"},
    ),
    "timeline": (
        lambda: documents.timeline_document(TIMELINE),
        {"plate", "sha256", "frames", "duration_s", "frame_rate", "shots", "bins", "pairs"},
    ),
    "timeline's shot": (
        lambda: documents.timeline_document(TIMELINE)["shots"][0],
        {"shot", "frames", "begins_s", "ends_s", "changed", "held_frames"},
    ),
    "timeline's pair": (
        lambda: documents.timeline_document(TIMELINE)["pairs"][0],
        {
            *("likeness", "performer", "is_scanned", "scan_with"),
            *("replaced_frames", "problems", "sentences", "track"),
        },
    ),
    "timeline's problem": (
        lambda: documents.timeline_document(TIMELINE)["pairs"][0]["problems"][0],
        {"kind", "frames", "begins_s", "ends_s", "is_replaced"},
    ),
    "timeline's track": (
        lambda: documents.timeline_document(TIMELINE)["pairs"][0]["track"],
        {"presence", "confidence", "yaw_deg"},
    ),
    "verified": (
        lambda: documents.verified_document(EXAMINATION),
        {"path", "sha256", "findings", "facts", "signal", "why_unopened"},
    ),
    "unread": (
        lambda: documents.unread_document(Path("shot.mp4"), MediaError("gone", code="media.missing")),
        {"path", "error"},
    ),
    "faces": (lambda: documents.faces_document("dana", [FACE], {DIGEST: CLIP}), {"person", "faces"}),
    "sheets": (
        lambda: documents.sheets_document(Sheets(paths=(Path("a.png"),), num_shown=3, num_without=1)),
        {"sheets", "shown", "without_picture"},
    ),
    "kept": (
        lambda: documents.decided_document("dana", {"keep": 2}, PREPARED),
        {"person", "kept", "faces_kept", "face_set"},
    ),
    "dropped": (
        lambda: documents.decided_document("dana", {"drop": 2}, PREPARED),
        {"person", "dropped", "faces_kept", "face_set"},
    ),
    "reset": (
        lambda: documents.decided_document("dana", {"reset": 2}, PREPARED),
        {"person", "reset", "faces_kept", "face_set"},
    ),
    "waiting": (
        lambda: documents.reviewed_document("dana", [WaitingTrack(name="t418", faces=(FACE,))], {DIGEST: CLIP}),
        {"person", "waiting"},
    ),
    "reviewed": (
        lambda: documents.reviewed_document(
            "dana",
            [],
            {},
            decided={"yes": 1, "no": 2},
            prepared=PREPARED,
            sheets=Sheets(paths=(Path("a.png"),), num_shown=3, num_without=1),
        ),
        {"person", "yes", "no", "faces_kept", "face_set", "sheets", "waiting"},
    ),
    "exported": (
        lambda: documents.exported_document("dana", Path("faces"), 3),
        {"person", "folder", "faces"},
    ),
    "imported": (
        lambda: documents.imported_document(
            "dana",
            Imported(num_kept=1, num_dropped=2, num_masks=3, num_nudged=4, num_deleted=5, prepared=PREPARED),
        ),
        {"person", "kept", "dropped", "cut_anew", "masks", "pictures_deleted", "faces_kept", "face_set"},
    ),
    "release": (lambda: documents.release_document(Path("dana.toml"), RELEASE), WRITTEN | {"role", "countersigned"}),
    "revocation": (lambda: documents.release_document(Path("dana.toml"), REVOCATION), WRITTEN),
    "release page": (
        lambda: documents.release_page_document(Path("dana.html"), Path("dana.toml"), RELEASE),
        WRITTEN | {"page", "role", "countersigned"},
    ),
    "decision": (
        lambda: documents.release_document(Path("d.toml"), DECISION),
        WRITTEN | {"verdict", "result", "reason"},
    ),
    "added": (
        lambda: documents.added_document(Path("dana.toml"), Added(document=RELEASE, digest=DIGEST, new=True)),
        WRITTEN | {"role", "countersigned", "new", "in_project"},
    ),
    "releases": (
        lambda: documents.releases_document(
            "Winter",
            "film",
            [KnownRelease(release=RELEASE, digest=DIGEST, revocation=REVOCATION)],
            {DIGEST: 3},
            ["missing"],
            datetime(2027, 7, 1, tzinfo=UTC),
        ),
        {"title", "use", "releases"},
    ),
    "to forget": (lambda: documents.forgotten_document(HOLDINGS, None), FORGOTTEN_KEYS),
    "forgotten": (
        lambda: documents.forgotten_document(
            HOLDINGS,
            Forgotten(
                holdings=HOLDINGS,
                why="asked",
                erased={"faces": 3},
                record=Path("forgotten/2027-01-01-000003.json"),
                naming=(Path("shots/a/0001.toml"),),
                to_prepare=("kim",),
            ),
        ),
        FORGOTTEN_KEYS,
    ),
    "asked": (
        lambda: documents.asked_document(
            Asked(
                person="dana",
                challenge=Challenge(release=DIGEST, nonce="0123456789abcdef"),
                page=Path("dana.challenge.html"),
                until=datetime(2027, 7, 1, tzinfo=UTC),
            )
        ),
        {"person", "release", "page", "code", "turns", "until"},
    ),
    "stated": (
        lambda: documents.stated_document(
            Stated(person="dana", release=DIGEST, video=DIGEST, distance=0.2, turns=("left", "up"))
        ),
        {"person", "release", "video", "distance", "turns"},
    ),
    "checked log": (
        lambda: documents.checked_log_document(
            3,
            None,
            [2],
            [Signer(key=DIGEST, num_entries=3, first=1, last=3, is_known=True)],
            [(Anchor(path=Path("head.json"), digest=DIGEST, number=2, project="p", what="a head"), 2)],
        ),
        {"entries", "remembered", "clock_set_back_at", "signers", "anchors"},
    ),
    "exported log": (
        lambda: documents.exported_log_document(
            ExportedLog(path=Path("log.jsonl"), head=Head(number=3, digest=DIGEST), is_whole=True)
        ),
        {"path", "entries", "digest", "whole"},
    ),
    "settings": (lambda: documents.settings_document(describe_settings(TrainConfig, "train")), {"settings"}),
}


@pytest.mark.parametrize("name", CASES)
def test_a_document_is_plain_json_under_the_promised_keys(name: str) -> None:
    make, keys = CASES[name]
    document = make()
    # Without a default for what JSON doesn't know: paths, dates and tuples are text and lists already.
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert set(document) == keys


def test_a_log_is_a_list_of_its_entries() -> None:
    entry = LogEntry(number=1, time="t", event="prepared", facts={"face_set": DIGEST}, previous="p", digest="d")
    (document,) = documents.log_document([entry])
    assert document == {
        "number": 1,
        "time": "t",
        "event": "prepared",
        "facts": {"face_set": DIGEST},
        "previous": "p",
        "digest": "d",
        "key": "",
    }


def test_each_result_has_a_case_here() -> None:
    """A new document is to be promised, too."""
    tested = {
        "added",
        "collected",
        "decided",
        "exported",
        "faces",
        "finished",
        "forgotten",
        "generated",
        "imported",
        "prepared",
        "release",
        "release_page",
    }
    tested |= {
        "asked",
        "releases",
        "reviewed",
        "settings",
        "sheets",
        "shots",
        "stated",
        "timeline",
        "trained",
        "unread",
        "verified",
        "checked_log",
        "exported_log",
        "log",
        "plate",
    }
    # These reports have tests of their own beside their measures.
    assert {f"{name}_document" for name in (*tested, "coverage", "recognition")} == set(documents.__all__)


def test_a_plates_tracks_come_with_the_plates_name() -> None:
    document = documents.plate_document("kim", [WaitingTrack(name="t418", faces=(FACE,))], CLIP)
    assert document["person"] == "kim"
    assert "t418" in json.dumps(document)


def test_faces_and_tracks_carry_what_a_page_would_show() -> None:
    (face,) = documents.faces_document("dana", [FACE], {DIGEST: CLIP})["faces"]
    assert face["name"] == FACE.name
    assert (face["clip"], face["about_s"], face["state"], face["reasons"]) == (
        "dana.mp4",
        1.0,
        "unsure",
        ["unsure who"],
    )
    assert set(face) == {
        *("name", "clip", "clip_sha256", "frame", "about_s", "state", "reasons", "distance", "margin", "score"),
        *("mask_origin", "quality"),
    }
    track = WaitingTrack(name="t418", faces=(FACE,))
    (waiting,) = documents.reviewed_document("dana", [track], {DIGEST: CLIP})["waiting"]
    assert waiting == {
        "track": "t418",
        "clip": "dana.mp4",
        "from_s": 1.0,
        "to_s": 1.0,
        "faces": 1,
        "distance": 0.4,
        "margin": 0.1,
    }


def test_what_the_detector_saw_is_told_by_moments_without_a_number_for_the_file() -> None:
    document = documents.verified_document(EXAMINATION)
    assert document["findings"][0]["limits"] == ["l"]
    assert document["facts"] == [{"name": "signer", "value": "Winter Ltd"}]
    assert set(document["signal"]) == {"frames", "left_out", "why_not", "faces"}
    (face,) = document["signal"]["faces"]
    assert set(face) == {"face", "from_s", "to_s", "distance", "moments"}
    assert [moment["score"] for moment in face["moments"]] == [0.9, 0.2]


def test_a_release_says_its_state_at_that_moment() -> None:
    known = KnownRelease(release=RELEASE, digest=DIGEST, revocation=None)
    for moment, state in ((datetime(2027, 7, 1, tzinfo=UTC), "valid"), (datetime(2028, 1, 1, tzinfo=UTC), "expired")):
        (release,) = documents.releases_document(None, "film", [known], {DIGEST: 0}, ["given"], moment)["releases"]
        assert (release["state"], release["expires"], release["uses"]) == (state, "2027-12-31", ["film"])
        limits = [release[name] for name in ("lines", "channels", "plates", "footage", "outputs", "published")]
        assert limits == [[], ["cinema"], [], [], None, 0]
        assert (release["approval"], release["countersigned"]) == (False, False)
