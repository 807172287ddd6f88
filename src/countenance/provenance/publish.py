"""The only way to publish a file: label, watermark, sign, log, then give it its name; all of it or nothing."""

import errno
import hashlib
import json
import logging
import os
import secrets
import shutil
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field

from countenance import ledger
from countenance.config import Boolean, Integer, Text, section
from countenance.errors import ConsentError, IntimateError, MediaError, ProvenanceError, UsageError, one_line
from countenance.gates import RULE, checked, one_a_second, opened_net
from countenance.media.losses import losses
from countenance.media.probe import probe, take_fingerprint
from countenance.media.reader import read_frames
from countenance.media.tonemap import sdr_command
from countenance.media.writer import join_fragments, planned_output, rehearse, write_fragments, write_picture
from countenance.progress import Progress
from countenance.project import PRIVATE, Project, now, write_whole
from countenance.provenance import label as visible
from countenance.provenance import store
from countenance.provenance.credentials import (
    Claim,
    Watermark,
    check_plate,
    read_credentials,
    rehearse_signing,
    salted,
    sign,
    statement,
)
from countenance.provenance.keys import SigningIdentity, load_or_make_identity
from countenance.provenance.label import draw_label
from countenance.provenance.labelling import corners_of, labels_in, plan_labels
from countenance.provenance.marks import ALGORITHM, fingerprint_of, in_hex, mark_id_of
from countenance.provenance.proxy import draw_words
from countenance.types import Approval, Corner, Frame, MediaInfo, Permit, Published, Render
from countenance.watermark.embed import MIN_WIDTH_HEIGHT, can_carry, mark
from countenance.watermark.read import read

_log = logging.getLogger(__name__)

PREVIEWS = "previews"
"""Folder of a project for previews of shots, published files as all are."""
SUFFIXES: dict[Literal["video", "picture"], tuple[str, ...]] = {
    "video": (".mp4", ".mov"),
    "picture": (".jpg", ".jpeg", ".png", ".webp"),
}
SIGNING_NAME = "signing.json"
"""In a render's folder: where its signed file is put, for `sweep` after a kill."""
ONE_FRAME_SUFFIX = ".png"
"""Of a single frame of a video that becomes a picture: without loss, so that it can be worked on."""


MIN_REASON_WORDS, MIN_REASON_CHARACTERS = 3, 15
"""Minimum for the reason why a label is left off, or not shown throughout: a sentence that others can understand."""


@section
@dataclass(frozen=True, kw_only=True, slots=True)
class PublishConfig:
    """How a file is published.

    Raises:
        ValueError: the label is off, or not shown throughout, without a reason that says why, or the time-stamp
            authority has no web address.
    """

    quality: Annotated[Integer, Field(ge=0, le=51)] = 16
    """x264's constant rate factor: lower is better and larger."""
    label: Boolean = True
    """Whether the image itself says that it was altered, by the words AI MODIFIED."""
    label_form: Literal["shown", "credits"] = "shown"
    """Where the label stands: throughout every shot in which something is altered; or, in an evidently creative work
    whose credits tell it, for 5 seconds where altered pictures begin, and again after 30 seconds without any
    (docs/label.md). The second needs a reason."""
    unlabelled_reason: Annotated[Text, Field(max_length=200)] = ""
    """Why the label is off, or in the form of credits, in a sentence; it is recorded in the file's credentials and in
    the log."""
    timestamp_authority: Annotated[Text, Field(max_length=500)] = ""
    """The web address of a time-stamp authority (RFC 3161), which then vouches for the time of each signature. It gets
    a digest of the signature, nothing of the file. Empty: no network is used, and credentials and `verify` say that
    nobody else vouches for the time. docs/credentials.md says more."""

    def __post_init__(self) -> None:
        if not self.unlabelled_reason.isprintable():
            raise ValueError("unlabelled_reason must be one line without control characters")
        address = urlsplit(self.timestamp_authority)
        if self.timestamp_authority and not (address.scheme in {"http", "https"} and address.hostname):
            raise ValueError(
                "timestamp_authority must be a web address such as https://time.example/stamp, "
                f"got {self.timestamp_authority!r}"
            )
        reason = self.unlabelled_reason.strip()
        if not self.is_label_throughout and (
            len(reason.split()) < MIN_REASON_WORDS or len(reason) < MIN_REASON_CHARACTERS
        ):
            without = "with label_form credits" if self.label else "without the label"
            raise ValueError(
                f"{without}, unlabelled_reason must say why in a sentence of at least "
                f"{MIN_REASON_WORDS} words and {MIN_REASON_CHARACTERS} characters, got {reason!r}; it is recorded"
            )

    @property
    def is_label_throughout(self) -> bool:
        """Whether the label stands wherever something is altered; if not, the releases must allow that."""
        return self.label and self.label_form == "shown"


def publish(
    project: Project,
    permits: Sequence[Permit],
    render: Render,
    output: Path,
    *,
    config: PublishConfig,
    overwrite: bool,
    check_leave: Callable[[], None],
    progress: Progress,
    approval: Approval | None = None,
) -> Published:
    """Turn a render into a file that a user can take away; `permits` are those of all pairs in it.

    The caller holds `project.writing()`. `check_leave` raises where consent has ended; it is called for each fragment,
    and for the last time in the transaction that logs the file, so that no file is logged after a revocation. Where
    anything fails there is no output file; fragments stay in the render's private folder, so that the next run goes on
    from there, but are removed where consent has ended.

    Where releases ask for their owners' approval, only a proxy is published without it.

    Raises:
        ConsentError: from `check_leave`, or an approval that a release asks for is missing.
        IntimateError: a frame looks intimate.
        UsageError: the output can't have that name.
        MediaError: the frames can't be written, or the plate changed while it was rendered.
        ProvenanceError: the file can't be signed or logged.
    """
    check_output(output, render.plate, overwrite=overwrite, is_one_frame=len(render.frames) == 1)
    _check_approved(permits, render, config, approval)
    assert len(render.altered) == len(render.frames)
    if not any(render.altered):
        raise ProvenanceError(f"no frame of {render.plate.path} was altered, so there is nothing to publish")
    check_plate(render.plate.path)
    identity = load_or_make_identity()
    corners = _corners(render, config)
    # In the output's folder, because only within one file system a file gets its name in one step. There is one such
    # name per project, so that what a killed run left behind goes away with the next.
    signed = output.parent / f"{_own_name(project)}{output.suffix.lower()}"
    signed.unlink(missing_ok=True)
    # What is in it decides its name, by which the next run knows that it can go on with it.
    kind = "proxy" if render.proxy_wh else "labelled" if any(corners) else "unlabelled"
    drawn = hashlib.sha256(repr((RULE, visible.VERSION, corners, ALGORITHM)).encode()).hexdigest()[:8]
    folder = render.work_folder / f"{kind}-{drawn}-{config.quality}"
    mark_id = mark_id_of({"project": project.id, "render": render.work_folder.name, "folder": folder.name})
    finished = folder / f"finished{output.suffix.lower()}"
    try:
        # One by one, because a parent that is made on the way gets the user's usual mode.
        for each in (render.work_folder, folder):
            each.mkdir(mode=0o700, exist_ok=True)
        note = {"signed": str(signed.absolute()), "output": str(output.absolute())}
        write_whole(render.work_folder / SIGNING_NAME, json.dumps(note).encode(), mode=PRIVATE)
        with project.transaction():
            check_leave()
            ledger.append(project, "render.begun", _begun(permits, render, config))
        _write_frames(render, folder, finished, corners, mark_id, config, check_leave, progress)
        fingerprint = _read_back(finished, mark_id, render.altered)
        _log.info("signing %s", output)
        salt = secrets.token_bytes(16)
        claim = replace(
            _claim(permits, render, config, approval, salt, mark_id, ledger.stored_head(project)),
            fingerprint_sha256=hashlib.sha256(fingerprint).hexdigest(),
            label_corners=corners_of([*corners, *labels_in(render.plate.path)]),
        )
        manifest = sign(
            finished, render.plate.path, signed, claim, identity, timestamp_authority=config.timestamp_authority
        )
        manifest_digest = hashlib.sha256(manifest).hexdigest()
        _sync(signed)
        _check_signed(signed, claim, identity)
        facts = _facts(signed, render, permits, claim, manifest_digest)
        facts |= _approval_facts(permits, render, config, approval, output)
        entry = _log_and_place(
            project,
            facts,
            claim=claim,
            salt=salt,
            known_by=store.Entry(mark_id=in_hex(mark_id), manifest=manifest, fingerprint=fingerprint),
            signed=signed,
            output=output,
            overwrite=overwrite,
            check_leave=check_leave,
        )
    except (ConsentError, IntimateError):
        # They show the face.
        _remove_fragments(render, progress)
        raise
    finally:
        for each in (signed, finished, render.work_folder / SIGNING_NAME):
            each.unlink(missing_ok=True)
    _remove_fragments(render, progress)
    _log.info("published %s, log entry %d", output, entry.number)
    return Published(
        path=output,
        sha256=facts["sha256"],
        manifest_digest=manifest_digest,
        permit_digest=joint_digest(permits),
        log_index=entry.number,
        num_frames=claim.num_frames,
        num_altered_frames=claim.num_altered_frames,
        is_proxy=claim.is_proxy,
    )


def sweep(project: Project) -> None:
    """Remove what a killed run of `publish` left and no later one can use: files that were finished, or signed.

    Fragments stay, so that the next run goes on from there. A file that was logged and never got its name is withdrawn
    in the log. The caller holds `project.writing()`.
    """
    renders = project.folder / "renders"
    if renders.is_symlink():
        return
    for note in renders.glob(f"*/{SIGNING_NAME}"):
        _sweep_signed(project, note)
    for pattern in ("*/*/finished.*", "*/*/.*.part"):
        for left in renders.glob(pattern):
            left.unlink(missing_ok=True)


def _sweep_signed(project: Project, note: Path) -> None:
    try:
        fields = json.loads(note.read_bytes())
        signed, output = Path(fields["signed"]), Path(fields["output"])
    except (OSError, ValueError, TypeError, KeyError):
        note.unlink(missing_ok=True)
        return
    # Nothing of another name is touched, whatever the note says.
    if signed.stem == _own_name(project) and signed.is_file() and not signed.is_symlink():
        if not (output.exists() and output.samefile(signed)):
            with signed.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            query = "SELECT manifest_digest, log_index FROM published WHERE sha256 = ?"
            for manifest_digest, number in project.database.execute(query, (sha256,)).fetchall():
                _withdraw(project, sha256, manifest_digest, number)
        signed.unlink()
    note.unlink()


def _own_name(project: Project) -> str:
    """Of the project's signed files that don't have their name yet; hashed, as the id is anybody's to write."""
    return f".countenance-{hashlib.sha256(project.id.encode()).hexdigest()[:16]}"


def _remove_fragments(render: Render, progress: Progress) -> None:
    try:
        shutil.rmtree(render.work_folder)
    except OSError as error:
        progress.note(f"{render.work_folder} can't be removed ({error.strerror}); delete it by hand")


def check_output(output: Path, plate: MediaInfo, *, overwrite: bool, is_one_frame: bool = False) -> None:
    """Check before any work that the output can be written under its name; one frame of a video may be a picture.

    Raises:
        UsageError: another suffix, no such folder, something is there already, or it is the plate.
        MediaError: the plate is of a kind that nothing here writes.
    """
    check_publishable(plate)
    suffixes = SUFFIXES["picture" if plate.kind == "picture" else "video"]
    if is_one_frame and plate.kind == "video":
        suffixes += (ONE_FRAME_SUFFIX,)
    if output.suffix.lower() not in suffixes:
        raise UsageError(
            f"from a {plate.kind} comes one of {', '.join(suffixes)}, got {output.name}; choose another name"
        )
    if not output.parent.is_dir():
        raise UsageError(f"there is no folder {output.parent}; make it first")
    if output.is_dir():
        raise UsageError(f"expected the name of a file, but {output} is a folder; choose another name")
    if output.exists() and output.samefile(plate.path):
        raise UsageError(f"{output} is the plate itself, which is never written to; choose another name")
    if (output.exists() or output.is_symlink()) and not overwrite:
        raise UsageError(
            f"{output} is there already; choose another name or add --overwrite", code="usage.exists", path=output
        )


def check_publishable(plate: MediaInfo) -> None:
    """Check that something made of a plate could be published.

    Raises:
        MediaError: it is of a kind that nothing here writes, or too small for the watermark.
    """
    if plate.kind == "sequence":
        raise MediaError(f"{plate.path} is one of numbered pictures, which can't be a plate yet; make a video of them")
    if plate.transfer != "sdr":
        raise MediaError(
            f"{plate.path} is HDR ({plate.transfer.upper()}), and nothing here writes HDR yet; make an SDR copy of it "
            f"with: {sdr_command(plate.path)}"
        )
    if not can_carry(*plate.resolution_wh):
        width, height = plate.resolution_wh
        raise MediaError(
            f"{plate.path} has {width}×{height} pixels, and the watermark needs {MIN_WIDTH_HEIGHT} in each direction; "
            "give a larger plate"
        )


def rehearse_publishing(plate: MediaInfo, output: Path, config: PublishConfig, progress: Progress) -> None:
    """Test everything except the frames before the first one is rendered, and report what the output can't keep.

    Raises:
        MediaError: the plate's sound can't be put into such a file.
        ModelError: the net that looks for intimate content is missing.
        ProvenanceError: the plate's own credentials can't be carried along, or nothing can be signed or stamped.
    """
    check_plate(plate.path)
    opened_net()
    identity = load_or_make_identity()
    for note in identity.notes:
        progress.note(note)
    rehearse_signing(identity, config.timestamp_authority)
    suffix = output.suffix.lower()
    for note in losses(plate, planned_output(suffix)):
        progress.note(one_line(note))
    for note in rehearse(plate, suffix, progress):
        progress.note(one_line(note))


def joint_digest(permits: Sequence[Permit]) -> str:
    """What stands for the permits of a file: of a single one its own digest, of several one of all, in any order."""
    digests = sorted(permit.digest for permit in permits)
    return digests[0] if len(digests) == 1 else hashlib.sha256(ledger.canonical_json(digests)).hexdigest()


def published_under(project: Project, permit_digests: Collection[str]) -> dict[str, Path]:
    """Where files went, when they were published, that rest on one of these permits, be it with others; by SHA-256."""
    logged = {
        entry.facts.get("sha256")
        for entry in ledger.entries(project)
        if entry.event == "published"
        and not set(permit_digests).isdisjoint([entry.facts.get("permit_digest"), *entry.facts.get("permits", ())])
    }
    rows = project.database.execute("SELECT sha256, path FROM published ORDER BY log_index")
    return {sha256: Path(path) for sha256, path in rows if sha256 in logged}


def published_since(project: Project, output: Path, since: str) -> Published | None:
    """What was published under a name since a time, and lies there as it was published; None where nothing was."""
    if not output.is_file():
        return None
    with output.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    query = """
        SELECT manifest_digest, permit_digest, log_index FROM published
        WHERE sha256 = ? AND path = ? AND published_at >= ?
    """
    row = project.database.execute(query, (sha256, str(output.resolve()), since)).fetchone()
    if row is None:
        return None
    manifest_digest, permit_digest, number = row
    (facts,) = (entry.facts for entry in ledger.entries(project) if entry.number == number)
    return Published(
        path=output,
        sha256=sha256,
        manifest_digest=manifest_digest,
        permit_digest=permit_digest,
        log_index=number,
        num_frames=facts["num_frames"],
        num_altered_frames=facts["num_altered_frames"],
        is_proxy=facts.get("is_proxy", False),
    )


def published_files(project: Project) -> list[tuple[Path, ledger.LogEntry]]:
    """Where each published file went when it was published, with the log's entry on it; in order, and without those
    that never got their name.
    """
    rows = project.database.execute("SELECT log_index, path FROM published")
    paths = {number: Path(path) for number, path in rows}
    return [
        (paths[entry.number], entry)
        for entry in ledger.entries(project)
        if entry.event == "published" and entry.number in paths
    ]


def latest_files(project: Project) -> list[tuple[Path, ledger.LogEntry]]:
    """Of each name the file that was published last under it, with the log's entry on it; in order."""
    latest = dict(published_files(project))
    return sorted(latest.items(), key=lambda each: each[1].number)


def salt_of(project: Project, manifest_digest: str) -> bytes | None:
    """What opens the salted digests in the credentials of a file that the project published."""
    row = project.database.execute(
        "SELECT salt FROM published WHERE manifest_digest = ?", (manifest_digest,)
    ).fetchone()
    return None if row is None else bytes.fromhex(row[0])


def _begun(permits: Sequence[Permit], render: Render, config: PublishConfig) -> dict[str, Any]:
    """What the log keeps of a render before its first frame, also where it is never finished."""
    label, reason = _label_of(render, config)
    return {
        "render": render.work_folder.name,
        "plate_sha256": render.plate.sha256,
        "permit_digest": joint_digest(permits),
        **({"permits": sorted(permit.digest for permit in permits)} if len(permits) > 1 else {}),
        "model_digest": render.model_digest,
        "first_frame": render.frames.start,
        "num_frames": len(render.frames),
        "is_preview": render.preview_wh is not None,
        "label": label,
        "label_reason": reason,
    }


def result_parts(render: Render, config: PublishConfig) -> dict[str, str]:
    """Digests of everything that decides a result, each under a name for people; the marks come on top."""
    label, reason = _wanted_label(config)
    return {**render.parts, "quality": str(config.quality), "label": f"{label}: {reason}" if reason else label}


def result_digest(render: Render, config: PublishConfig) -> str:
    """What stands for a result when people approve it; a proxy has that of what it is a copy of."""
    return hashlib.sha256(ledger.canonical_json(result_parts(render, config))).hexdigest()


def _check_approved(
    permits: Sequence[Permit], render: Render, config: PublishConfig, approval: Approval | None
) -> None:
    """Check that everybody whose release asks for it approved exactly this; a proxy needs no approval."""
    people = {person for permit in permits for person, _ in permit.approvers}
    if not people or render.proxy_wh is not None:
        return
    given = set() if approval is None else set(approval.decisions)
    if missing := sorted(people - given):
        raise ConsentError(
            f"{' and '.join(missing)} must approve this result before it is published; "
            "run `countenance generate`, which leaves a proxy to show them",
            code="consent.approval_awaited",
            people=missing,
        )
    if approval is not None and approval.result != result_digest(render, config):
        raise ConsentError("the approval is for another result than this one; ask for approval of this one")


def _claim(
    permits: Sequence[Permit],
    render: Render,
    config: PublishConfig,
    approval: Approval | None,
    salt: bytes,
    mark_id: int,
    head: ledger.Head | None,
) -> Claim:
    assert head is not None, "a render that has begun is in the log"
    is_proxy = render.proxy_wh is not None
    decisions = () if approval is None else tuple(approval.decisions.values())
    label, reason = _label_of(render, config)
    return Claim(
        num_frames=len(render.altered),
        num_altered_frames=sum(render.altered),
        label=label,
        label_reason=reason,
        model_digest=render.model_digest,
        first_frame=render.frames.start,
        num_plate_frames=render.plate.num_frames,
        is_preview=render.preview_wh is not None,
        salted_release_digests=tuple(
            salted(digest, salt)
            for digest in dict.fromkeys(each for permit in permits for each in permit.release_digests)
        ),
        salted_permit_digest=salted(joint_digest(permits), salt),
        signed_at=now(),
        trusted_timestamp=bool(config.timestamp_authority),
        num_decided_frames=render.num_decided_frames,
        drawn_with=render.drawn_with,
        num_performers=render.num_performers,
        halo=render.halo,
        sentence=render.sentence,
        num_covered_frames=render.num_covered_frames,
        num_held_frames=render.num_held_frames,
        watermark=Watermark(id=in_hex(mark_id), algorithm=ALGORITHM),
        log_number=head.number,
        log_digest=head.digest,
        is_proxy=is_proxy,
        approval="awaited" if is_proxy else "given" if decisions else "",
        result_digest=result_digest(render, config) if is_proxy else "",
        salted_decision_digests=tuple(salted(digest, salt) for digest in decisions),
        synthetic=tuple(sorted({role for permit in permits for role in permit.synthetic})),
    )


def _label_of(render: Render, config: PublishConfig) -> tuple[Literal["shown", "credits", "left out"], str]:
    """How a file is labelled, and why not throughout. A proxy always is: nobody has agreed yet to anything else."""
    return ("shown", "") if render.proxy_wh is not None else _wanted_label(config)


def _wanted_label(config: PublishConfig) -> tuple[Literal["shown", "credits", "left out"], str]:
    """How a result is to be labelled, and why not throughout."""
    if config.is_label_throughout:
        return "shown", ""
    return config.label_form if config.label else "left out", config.unlabelled_reason.strip()


def _corners(render: Render, config: PublishConfig) -> tuple[Corner | None, ...]:
    label, _ = _label_of(render, config)
    if label == "left out":
        return (None,) * len(render.altered)
    return plan_labels(render, only_beginnings=label == "credits")


def _write_frames(
    render: Render,
    folder: Path,
    finished: Path,
    corners: Sequence[Corner | None],
    mark_id: int,
    config: PublishConfig,
    check_leave: Callable[[], None],
    progress: Progress,
) -> None:
    def frames_from(index: int) -> Iterator[Frame]:
        for frame in checked(render.frames_from(index), render.plate.path.name, _looked_at(render)):
            number = frame.index - render.frames.start
            pixels = mark(frame.pixels, mark_id) if render.altered[number] else frame.pixels
            if render.proxy_wh is not None:
                pixels = draw_words(pixels)
            corner = corners[number]
            yield replace(frame, pixels=pixels if corner is None else draw_label(pixels, corner))

    if finished.suffix in SUFFIXES["picture"]:
        write_picture(next(frames_from(render.frames.start)), render.plate, finished)
        _check_plate_unchanged(render, progress)
    else:
        fragments = write_fragments(
            frames_from,
            render.plate,
            folder,
            quality=config.quality,
            excerpt=render.excerpt,
            size_wh=render.proxy_wh or render.preview_wh,
            check_leave=check_leave,
            progress=progress,
        )
        _check_plate_unchanged(render, progress)
        join_fragments(fragments, render.plate, finished, excerpt=render.excerpt)


def _read_back(finished: Path, mark_id: int, altered: Sequence[bool]) -> bytes:
    """Check that the altered frames' watermark can be read, and take the file's fingerprint."""
    info = probe(finished)
    found = read(frame.rgb for frame in read_frames(info) if altered[frame.index])
    if found is None or found.mark_id != mark_id:
        raise ProvenanceError(
            "the watermark can't be read in what was rendered: it is too dark, too flat or too short for one, or too "
            "little of it is altered; nothing was published. Render more of the plate, or a larger one"
        )
    return fingerprint_of(info)


def _looked_at(render: Render) -> set[int]:
    """The frames that must pass the gate: the first, one a second, and the first of each shot that is altered."""
    times_s = render.times_s or [float(index / render.plate.frame_rate) for index in range(len(render.frames))]
    frames = (render.frames[place] for place in one_a_second(times_s))
    return {*frames, *(shot.frames.start for shot in render.labelled_shots)}


def _check_plate_unchanged(render: Render, progress: Progress) -> None:
    """Check that the plate is still the one that was scanned; if not, remove what was rendered from either."""
    if take_fingerprint(render.plate.path).sha256 != render.plate.sha256:
        _remove_fragments(render, progress)
        raise MediaError(f"{render.plate.path} changed while it was rendered; run this again to use it as it is now")


def _check_signed(signed: Path, claim: Claim, identity: SigningIdentity) -> None:
    """Read back what was written, as a verifier would."""
    credentials = read_credentials(signed, identity.trust)
    if credentials.state != "trusted" or credentials.claim != claim:
        raise ProvenanceError(
            f"the signed file doesn't verify ({'; '.join(credentials.reasons) or credentials.state}); "
            "nothing was published, please report this"
        )
    stamp = credentials.timestamp
    if claim.trusted_timestamp and (stamp is None or stamp.state == "invalid"):
        why = "; ".join(stamp.problems) if stamp else "there is none"
        raise ProvenanceError(f"the time stamp doesn't hold ({why}); nothing was published, try another authority")


def _facts(
    signed: Path, render: Render, permits: Sequence[Permit], claim: Claim, manifest_digest: str
) -> dict[str, Any]:
    """What the log keeps."""
    with signed.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "sha256": sha256,
        "plate_sha256": render.plate.sha256,
        "manifest_digest": manifest_digest,
        "permit_digest": joint_digest(permits),
        **({"permits": sorted(permit.digest for permit in permits)} if len(permits) > 1 else {}),
        "releases": sorted({digest for permit in permits for digest in permit.release_digests}),
        "num_frames": claim.num_frames,
        "num_altered_frames": claim.num_altered_frames,
        "num_decided_frames": claim.num_decided_frames,
        **({"num_covered_frames": claim.num_covered_frames} if claim.num_covered_frames else {}),
        **({"num_held_frames": claim.num_held_frames} if claim.num_held_frames else {}),
        "drawn_with": claim.drawn_with,
        "first_frame": claim.first_frame,
        "num_plate_frames": claim.num_plate_frames,
        "is_preview": claim.is_preview,
        "model_digest": claim.model_digest,
        "label": claim.label,
        "label_reason": claim.label_reason,
    }


def _approval_facts(
    permits: Sequence[Permit], render: Render, config: PublishConfig, approval: Approval | None, output: Path
) -> dict[str, Any]:
    """What the log keeps of who is asked about a result, or has approved it; nothing where nobody is."""
    if render.proxy_wh is None:
        return {} if approval is None else {"approvals": sorted(approval.decisions.values()), "result": approval.result}
    if render.preview_wh is not None:
        return {"is_proxy": True}
    label, reason = _wanted_label(config)
    asked = {
        "people": dict(sorted(approver for permit in permits for approver in permit.approvers)),
        "result": result_digest(render, config),
        "parts": result_parts(render, config),
        "file": output.name,
        "label": label,
        "label_reason": reason,
    }
    return {"is_proxy": True, "asked": asked}


def _log_and_place(
    project: Project,
    facts: dict[str, Any],
    *,
    claim: Claim,
    salt: bytes,
    known_by: store.Entry,
    signed: Path,
    output: Path,
    overwrite: bool,
    check_leave: Callable[[], None],
) -> ledger.LogEntry:
    """Log first, so that every published file is in the log, then remember what its mark leads to, so that no mark of
    one leads nowhere; if naming the file fails, both are taken back.
    """
    inode = signed.stat().st_ino
    entry: ledger.LogEntry | None = None
    try:
        with project.transaction() as database:
            # No other process can commit a revocation between this and the entry.
            check_leave()
            entry = ledger.append(project, "published", facts)
            database.execute(
                "INSERT INTO published VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    facts["sha256"],
                    str(output.resolve()),
                    facts["manifest_digest"],
                    facts["plate_sha256"],
                    facts["permit_digest"],
                    salt.hex(),
                    json.dumps(statement(claim)),
                    entry.number,
                    now(),
                ),
            )
        store.remember(known_by)
        _put_in_place(signed, output, overwrite=overwrite)
    except BaseException:
        # Ctrl-C may come just after the file got its name.
        if entry is not None and not (output.exists() and output.stat().st_ino == inode):
            try:
                _withdraw(project, facts["sha256"], facts["manifest_digest"], entry.number)
            except (ProvenanceError, sqlite3.Error) as error:
                # What failed first is raised: it is the cause of both, and what can be mended.
                _log.error(
                    "log entry %d can't be withdrawn, though its file was not put in place: %s", entry.number, error
                )
        raise
    return entry


def _withdraw(project: Project, sha256: str, manifest_digest: str, number: int) -> None:
    """Note that a logged file never got its name, and forget what its mark would lead to; does nothing where the entry
    itself was rolled back.
    """
    try:
        store.take_back(manifest_digest)
    finally:
        with project.transaction() as database:
            if database.execute("DELETE FROM published WHERE sha256 = ?", (sha256,)).rowcount:
                ledger.append(project, "withdrawn", {"sha256": sha256, "published_entry": number})


def _put_in_place(signed: Path, output: Path, *, overwrite: bool) -> None:
    try:
        if overwrite or not _links(signed, output):
            signed.replace(output)
        _sync(output.parent)
    except OSError as error:
        raise ProvenanceError(
            f"{output} can't be put in place ({error.strerror}); check its folder's permissions, then try again"
        ) from error


def _links(signed: Path, output: Path) -> bool:
    """Give the file its name unless that is taken; False where the file system knows no second names."""
    try:
        os.link(signed, output)
    except FileExistsError:
        raise UsageError(f"{output} appeared meanwhile; choose another name or add --overwrite") from None
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        if output.exists():
            raise UsageError(f"{output} appeared meanwhile; choose another name or add --overwrite") from None
        return False
    signed.unlink()
    return True


def _sync(path: Path) -> None:
    """Make sure that a file or folder outlives a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
