"""What `--json` prints: one function for each result, from its type to what JSON knows, for every surface alike.

Keys are a promise to programs: they may be added, never renamed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic_core import to_jsonable_python

from countenance.config import Setting
from countenance.consent.decision import Decision
from countenance.consent.register import Added, KnownRelease, state_of
from countenance.consent.release import Release, Revocation, digest_of
from countenance.coverage.measure import coverage_document
from countenance.errors import CountenanceError, one_line
from countenance.ledger import LogEntry, Signer
from countenance.recognition.report import recognition_document
from countenance.review import query

if TYPE_CHECKING:
    # Only named: torch and the networks take seconds to load.
    import numpy as np

    from countenance.composite.shotfile import Shot
    from countenance.faces.faceset import Prepared
    from countenance.faces.store import StoredFace
    from countenance.footage import Clip
    from countenance.forensics.signal import Signal
    from countenance.model.checkpoint import Checkpoint
    from countenance.model.page import TrainingReport
    from countenance.provenance.anchor import Anchor, ExportedLog
    from countenance.review.query import WaitingTrack
    from countenance.steps.approval import Finished
    from countenance.steps.collect import Collected
    from countenance.steps.forget import Forgotten, Holdings
    from countenance.steps.generate import Generated, GeneratedPair
    from countenance.steps.review import Imported, Sheets
    from countenance.steps.shots import PlateShots
    from countenance.steps.statement import Asked, Stated
    from countenance.steps.timeline import PairTimeline, PlateTimeline, Track
    from countenance.steps.verify import Examination
    from countenance.types import Published

__all__ = [
    "added_document",
    "asked_document",
    "checked_log_document",
    "collected_document",
    "coverage_document",
    "decided_document",
    "exported_document",
    "exported_log_document",
    "faces_document",
    "finished_document",
    "forgotten_document",
    "generated_document",
    "imported_document",
    "log_document",
    "plate_document",
    "prepared_document",
    "recognition_document",
    "release_document",
    "release_page_document",
    "releases_document",
    "reviewed_document",
    "settings_document",
    "sheets_document",
    "shots_document",
    "stated_document",
    "timeline_document",
    "trained_document",
    "unread_document",
    "verified_document",
]

Document = dict[str, Any]
Decided = Literal["keep", "drop", "reset", "yes", "no"]
"""What is decided on a face or track; a reset withdraws what was decided before."""


def collected_document(person: str, result: "Collected") -> Document:
    """Of `collect`."""
    return _ready(
        {
            "person": person,
            "clips": [
                {"path": info.path, "sha256": info.sha256, "frames": info.num_frames, "notes": info.notes}
                for info in result.clips
            ],
            "known": result.known,
            "left_out": [{"path": path, "reason": reason} for path, reason in result.left_out],
        }
    )


def prepared_document(person: str, result: "Prepared") -> Document:
    """Of `prepare`."""
    return _ready(
        {
            "person": person,
            "faces_found": result.num_found,
            "faces_kept": result.face_set.num_faces,
            "faces_of_others": result.num_others,
            "left_out": result.rejections,
            "face_set": result.face_set.digest,
            "permit": result.face_set.permit_digest,
        }
    )


def trained_document(folder: Path, checkpoint: "Checkpoint", kept: Sequence[int]) -> Document:
    """Of `train`; `kept` are the states that can be gone back to, by images seen."""
    return _ready(
        {
            "model": folder,
            "images_seen": checkpoint.images_seen,
            "best_images": checkpoint.best_images,
            "ended_early": checkpoint.ended_early,
            "kept_images": list(kept),
            "weights": checkpoint.weights_sha256,
        }
    )


def training_document(page: Path, report: "TrainingReport") -> Document:
    """Of `train report`."""
    checkpoint = report.checkpoint
    return _ready(
        {
            "page": page,
            "images_seen": checkpoint.images_seen,
            "best_images": checkpoint.best_images,
            "ended_early": checkpoint.ended_early,
            "faces": report.num_faces,
            "left_out": report.num_left_out,
            "metrics": report.metrics,
            "advice": [{"lacks": lacks, "shoot": shoot} for lacks, shoot in report.advice],
        }
    )


def generated_document(result: "Generated") -> Document:
    """Of `generate`."""
    return _ready(
        {
            **_file(result.published),
            "plate_frames": None if result.shown is None else [result.shown.start, result.shown.stop - 1],
            "unaltered_spans_s": result.unaltered_spans,
            "faded_spans_s": result.faded_spans,
            "covered_spans_s": result.covered_spans,
            "drawn_with": result.drawn_with,
            "references": result.num_references,
            **({"awaited": result.awaited, "requests": result.requests} if result.awaited else {}),
            **({"pairs": [_pair(pair) for pair in result.pairs]} if len(result.pairs) > 1 else {}),
        }
    )


def finished_document(finished: "Finished") -> Document:
    """Of `generate`, where its process was killed just before its end: what can still be known."""
    return _ready(
        {
            **_file(finished.published),
            **({"awaited": finished.awaited, "requests": finished.requests} if finished.awaited else {}),
        }
    )


def _file(published: "Published") -> Document:
    return {
        "output": published.path,
        "sha256": published.sha256,
        "manifest": published.manifest_digest,
        "permit": published.permit_digest,
        "log_index": published.log_index,
        "frames": published.num_frames,
        "altered_frames": published.num_altered_frames,
        **({"is_proxy": True} if published.is_proxy else {}),
    }


def _pair(pair: "GeneratedPair") -> Document:
    return {
        "likeness": pair.likeness,
        "performer": pair.performer,
        "altered_frames": pair.num_altered_frames,
        "unaltered_spans_s": pair.unaltered_spans,
        "faded_spans_s": pair.faded_spans,
        "covered_spans_s": pair.covered_spans,
        "drawn_with": pair.drawn_with,
        "references": pair.num_references,
    }


def shots_document(found: "PlateShots") -> Document:
    """Of `shots`."""
    return _ready({"plate": found.plate.path, "folder": found.folder, "shots": [_shot(shot) for shot in found.shots]})


def timeline_document(found: "PlateTimeline") -> Document:
    """Of a plate's timeline: frames are counted from 0, and of two both belong to the range."""
    plate = found.plate
    return {
        "plate": str(plate.path),
        "sha256": plate.sha256,
        "frames": plate.num_frames,
        "duration_s": float(plate.duration),
        "frame_rate": float(plate.frame_rate),
        "shots": [
            {
                "shot": shot.number,
                "frames": [shot.frames.start, shot.frames.stop - 1],
                "begins_s": shot.begins_s,
                "ends_s": shot.ends_s,
                "changed": shot.changed,
                "held_frames": [frame.index for frame in shot.held],
            }
            for shot in found.shots
        ],
        "bins": found.bins.tolist(),
        "pairs": [_pair_timeline(pair) for pair in found.pairs],
    }


def _pair_timeline(pair: "PairTimeline") -> Document:
    return {
        "likeness": pair.likeness,
        "performer": pair.performer,
        "is_scanned": pair.is_scanned,
        "scan_with": pair.scan_with,
        "replaced_frames": pair.num_replaced_frames,
        "problems": [
            {
                "kind": problem.kind,
                "frames": [problem.frames.start, problem.frames.stop - 1],
                "begins_s": problem.begins_s,
                "ends_s": problem.ends_s,
                "is_replaced": problem.is_replaced,
            }
            for problem in pair.problems
        ],
        # One for each kind: hours of a plate have thousands of problems.
        "sentences": {problem.kind: problem.sentence for problem in pair.problems},
        "track": None if pair.track is None else _along(pair.track),
    }


def _along(track: "Track") -> Document:
    """One value for each bin; none where no face is."""

    def values(array: "np.ndarray", digits: int) -> list[float | None]:
        return [None if isnan(value) else round(value, digits) for value in array.tolist()]

    return {
        "presence": values(track.presence, 3),
        "confidence": values(track.confidence, 3),
        "yaw_deg": values(track.yaw_deg, 1),
    }


def _shot(shot: "Shot") -> Document:
    return {
        "shot": shot.number,
        "frames": [shot.frames.start, shot.frames.stop - 1],
        "begins_s": shot.begins_s,
        "ends_s": shot.ends_s,
        "file": shot.path if shot.path.exists() else None,
        "settings": asdict(shot.settings.base),
        "keys": shot.settings.keys,
        "held_frames": [
            {"frame": frame.index, "likeness": frame.pair[0], "performer": frame.pair[1]} for frame in shot.held
        ],
    }


def verified_document(examination: "Examination") -> Document:
    """Of `verify`. What the detector saw is given moment by moment: there is no number for the file."""
    signal = examination.signal
    facts = [{"name": name, "value": value} for name, value in examination.facts]
    return _ready(
        {
            **asdict(examination.report),
            "facts": facts,
            "signal": None if signal is None else _signal(signal),
            "why_unopened": examination.why_unopened,
        }
    )


def unread_document(path: Path, error: CountenanceError) -> Document:
    """Of `verify`, in the place of a file that can't be read."""
    return _ready({"path": path, "error": {"code": error.code, "message": one_line(str(error))}})


def _signal(signal: "Signal") -> Document:
    return {
        "frames": signal.num_frames,
        "left_out": signal.num_left_out,
        "why_not": signal.why_not,
        "faces": [
            {
                "face": track.number,
                "from_s": track.first_s,
                "to_s": track.last_s,
                "distance": track.distance,
                "moments": [{"frame": look.frame, "time_s": look.time_s, "score": look.score} for look in track.faces],
            }
            for track in signal.tracks
        ],
    }


def faces_document(person: str, faces: "Iterable[StoredFace]", clips: "Mapping[str, Clip]") -> Document:
    """Of `faces list`."""
    return _ready({"person": person, "faces": [_face(face, clips[face.clip_sha256]) for face in faces]})


def sheets_document(sheets: "Sheets") -> Document:
    """Of `faces show`."""
    return _ready({"sheets": sheets.paths, "shown": sheets.num_shown, "without_picture": sheets.num_without})


def decided_document(person: str, numbers: "Mapping[Decided, int]", prepared: "Prepared") -> Document:
    """Of `faces keep`, `drop` and `reset`: how many faces there were of each decision, and the face set after it."""
    done = {"keep": "kept", "drop": "dropped", "reset": "reset", "yes": "yes", "no": "no"}
    return _ready({"person": person, **{done[word]: number for word, number in numbers.items()}, **_face_set(prepared)})


def reviewed_document(
    person: str,
    waiting: "Sequence[WaitingTrack]",
    clips: "Mapping[str, Clip]",
    *,
    decided: "Mapping[Decided, int] | None" = None,
    prepared: "Prepared | None" = None,
    sheets: "Sheets | None" = None,
) -> Document:
    """Of `faces review`: the tracks that still wait, after what was decided and drawn."""
    return _ready(
        {
            **(decided_document(person, decided, prepared) if decided and prepared else {"person": person}),
            **({"sheets": sheets.paths} if sheets else {}),
            "waiting": [_track(track, clips[track.faces[0].clip_sha256]) for track in waiting],
        }
    )


def exported_document(person: str, folder: Path, num_faces: int) -> Document:
    """Of `faces export`."""
    return _ready({"person": person, "folder": folder, "faces": num_faces})


def imported_document(person: str, result: "Imported") -> Document:
    """Of `faces import`."""
    return _ready(
        {
            "person": person,
            "kept": result.num_kept,
            "dropped": result.num_dropped,
            "cut_anew": result.num_nudged,
            "masks": result.num_masks,
            "pictures_deleted": result.num_deleted,
            **(_face_set(result.prepared) if result.prepared else {}),
        }
    )


def release_document(path: Path, document: Release | Revocation | Decision) -> Document:
    """Of `release new`, `sign`, `countersign`, `revoke`, `approve` and `decline`: the document that was written."""
    if isinstance(document, Decision):
        about: Document = {"person": document.person, "release": document.release, "verdict": document.verdict}
        about |= {"result": document.result, "reason": document.reason}
    elif isinstance(document, Revocation):
        about = {"person": document.person, "release": document.release}
    else:
        about = {"person": document.subject.person, "role": document.role, "release": digest_of(document)}
        about["countersigned"] = document.countersignature is not None
    return _ready({"path": path, "kind": document.kind, **about, "signed": document.signature is not None})


def release_page_document(page: Path, path: Path, release: Release) -> Document:
    """Of `release page`."""
    return {"page": str(page), **release_document(path, release)}


def added_document(path: Path, added: Added) -> Document:
    """Of `release add`; a revocation of a release that the project lacks isn't in it, but in the user's own store."""
    return {**release_document(path, added.document), "new": added.new, "in_project": added.in_project}


def asked_document(asked: "Asked") -> Document:
    """Of `release challenge`."""
    challenge = asked.challenge
    return _ready(
        {
            "person": asked.person,
            "release": challenge.release,
            "page": asked.page,
            "code": challenge.code,
            "turns": challenge.turns,
            "until": asked.until,
        }
    )


def stated_document(stated: "Stated") -> Document:
    """Of `release statement`."""
    return _ready(asdict(stated))


def releases_document(
    title: str | None,
    use: str,
    known: Sequence[KnownRelease],
    used: Mapping[str, int],
    statements: Sequence[str],
    at: datetime,
) -> Document:
    """Of `release list`; states are those of the moment `at`, statements those of each release, and `used` says how
    many files count for a digest.
    """
    return _ready(
        {
            "title": title,
            "use": use,
            "releases": [
                {
                    "person": each.release.subject.person,
                    "role": each.release.role,
                    "uses": each.release.scope.uses,
                    "valid_from": each.release.term.valid_from,
                    "expires": each.release.term.expires,
                    "state": state_of(each, at),
                    "statement": statement,
                    "revoked_on": each.revocation.revoked_on if each.revocation else None,
                    "release": each.digest,
                    "lines": each.release.scope.explicit,
                    "channels": each.release.scope.channels,
                    "plates": each.release.scope.plates,
                    "footage": each.release.data.footage,
                    "outputs": each.release.term.num_outputs,
                    "published": used[each.digest],
                    "approval": each.release.approval.needed,
                    "countersigned": each.release.countersignature is not None,
                }
                for each, statement in zip(known, statements, strict=True)
            ],
        }
    )


def forgotten_document(holdings: "Holdings", forgotten: "Forgotten | None") -> Document:
    """Of `forget`: what is kept of a person, or, once it was deleted, what was."""
    return _ready(
        {
            "person": holdings.person,
            "deleted": forgotten is not None,
            "data": dict(forgotten.erased if forgotten else holdings.counts),
            "record": forgotten.record if forgotten else None,
            "prepare_again": list(forgotten.to_prepare) if forgotten else [],
            "stays": {
                "footage": list(holdings.footage),
                "published": [{"sha256": sha256, "path": path} for sha256, path in holdings.published.items()],
                "other_files": list(holdings.others),
                "naming": list(forgotten.naming) if forgotten else [],
            },
        }
    )


def log_document(entries: Iterable[LogEntry]) -> list[Document]:
    """Of `log show`."""
    return [_ready(asdict(entry)) for entry in entries]


def checked_log_document(
    num_entries: int,
    remembered: int | None,
    clock_set_back_at: Sequence[int],
    signers: Sequence[Signer] = (),
    anchors: "Sequence[tuple[Anchor, int]]" = (),
) -> Document:
    """Of `log check`; `remembered` is the entry up to which this computer knows the log.

    `anchors` come with the numbers of their entries; signers are named by the fingerprints of their keys, null for
    entries without a signature.
    """
    return _ready(
        {
            "entries": num_entries,
            "remembered": remembered,
            "clock_set_back_at": clock_set_back_at,
            "signers": [
                {
                    "key": signer.name if signer.key else None,
                    "is_this_computer": signer.is_known,
                    "entries": signer.num_entries,
                    "first": signer.first,
                    "last": signer.last,
                }
                for signer in signers
            ],
            "anchors": [{"path": anchor.path, "what": anchor.what, "entry": number} for anchor, number in anchors],
        }
    )


def exported_log_document(exported: "ExportedLog") -> Document:
    """Of `log export`."""
    return _ready(
        {
            "path": exported.path,
            "entries": exported.head.number,
            "digest": exported.head.digest,
            "whole": exported.is_whole,
        }
    )


def settings_document(settings: Iterable[Setting]) -> Document:
    """Of `settings`."""
    return _ready(
        {
            "settings": [
                {
                    "name": setting.name,
                    "default": setting.default,
                    "allowed": setting.allowed,
                    "meaning": setting.meaning,
                    "schema": setting.schema,
                }
                for setting in settings
            ]
        }
    )


def _face(face: "StoredFace", clip: "Clip") -> Document:
    return {
        "name": face.name,
        "clip": clip.name,
        "clip_sha256": face.clip_sha256,
        "frame": face.frame,
        "about_s": round(clip.about_s(face.frame), 2),
        "state": query.state_of(face),
        "reasons": face.rejections,
        "distance": face.distance,
        "margin": face.margin,
        "score": face.score,
        "mask_origin": face.mask_origin,
        "quality": asdict(face.quality),
    }


def plate_document(person: str, tracks: Sequence["WaitingTrack"], clip: "Clip") -> Document:
    """`faces review --plate`."""
    listed = [{**_track(track, clip), "state": track.state} for track in tracks]
    return _ready({"person": person, "plate": clip.name, "tracks": listed})


def _track(track: "WaitingTrack", clip: "Clip") -> Document:
    return {
        "track": track.name,
        "clip": clip.name,
        "from_s": round(clip.about_s(track.faces[0].frame), 2),
        "to_s": round(clip.about_s(track.faces[-1].frame), 2),
        "faces": len(track.faces),
        "distance": track.distance,
        "margin": track.margin,
    }


def _face_set(prepared: "Prepared") -> Document:
    return {"faces_kept": prepared.face_set.num_faces, "face_set": prepared.face_set.digest}


def _ready(value: Document) -> Document:
    """Paths and dates as text, tuples as lists, so that the result is ready for any JSON encoder."""
    document: Document = to_jsonable_python(value)
    return document
