"""The only way to publish a file: label, watermark, sign, log, then give it its name; all of it or nothing."""

import errno
import hashlib
import json
import logging
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from countenance import ledger
from countenance.config import Boolean, Integer, Text, section
from countenance.errors import ConsentError, MediaError, ProvenanceError, UsageError, one_line
from countenance.media.losses import losses
from countenance.media.probe import take_fingerprint
from countenance.media.tonemap import sdr_command
from countenance.media.writer import join_fragments, planned_output, rehearse, write_fragments, write_picture
from countenance.progress import Progress
from countenance.project import Project, now
from countenance.provenance.credentials import Claim, check_plate, read_credentials, salted, sign, statement
from countenance.provenance.keys import SigningIdentity, load_or_make_identity
from countenance.provenance.label import draw_label
from countenance.provenance.proxy import draw_words
from countenance.types import Approval, Frame, MediaInfo, Permit, Published, Render

_log = logging.getLogger(__name__)

SUFFIXES: dict[Literal["video", "picture"], tuple[str, ...]] = {
    "video": (".mp4", ".mov"),
    "picture": (".jpg", ".jpeg", ".png", ".webp"),
}
ONE_FRAME_SUFFIX = ".png"
"""Of a single frame of a video that becomes a picture: without loss, so that it can be worked on."""


MIN_REASON_WORDS, MIN_REASON_CHARACTERS = 3, 15
"""Minimum for the reason why a label is left off: a sentence that somebody else can understand."""


@section
@dataclass(frozen=True, kw_only=True, slots=True)
class PublishConfig:
    """How a file is published.

    Raises:
        ValueError: the label is off without a reason that says why.
    """

    quality: Annotated[Integer, Field(ge=0, le=51)] = 16
    """x264's constant rate factor: lower is better and larger."""
    label: Boolean = True
    """Whether the image itself says that it was altered."""
    unlabelled_reason: Annotated[Text, Field(max_length=200)] = ""
    """Why the label is off, in a sentence; it is recorded in the file's credentials and in the log."""

    def __post_init__(self) -> None:
        if not self.unlabelled_reason.isprintable():
            raise ValueError("unlabelled_reason must be one line without control characters")
        reason = self.unlabelled_reason.strip()
        if not self.label and (len(reason.split()) < MIN_REASON_WORDS or len(reason) < MIN_REASON_CHARACTERS):
            raise ValueError(
                "without the label, unlabelled_reason must say why in a sentence of at least "
                f"{MIN_REASON_WORDS} words and {MIN_REASON_CHARACTERS} characters, got {reason!r}; it is recorded"
            )


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
    salt = secrets.token_bytes(16)
    claim = _claim(permits, render, config, approval, salt)
    # In the output's folder, because only within one file system a file gets its name in one step. There is one such
    # name per project, so that what a killed run left behind goes away with the next; hashed, because the id comes
    # from a file that anybody can write.
    own_name = hashlib.sha256(project.id.encode()).hexdigest()[:16]
    signed = output.parent / f".countenance-{own_name}{output.suffix.lower()}"
    signed.unlink(missing_ok=True)
    kind = "proxy" if render.proxy_wh else "labelled" if config.label else "unlabelled"
    folder = render.work_folder / f"{kind}-{config.quality}"
    finished = folder / f"finished{output.suffix.lower()}"
    try:
        # One by one, because a parent that is made on the way gets the user's usual mode.
        for each in (render.work_folder, folder):
            each.mkdir(mode=0o700, exist_ok=True)
        _write_frames(render, folder, finished, config, check_leave, progress)
        _log.info("signing %s", output)
        manifest_digest = sign(finished, render.plate.path, signed, claim, identity)
        _sync(signed)
        _check_signed(signed, claim, identity)
        facts = _facts(signed, render, permits, claim, manifest_digest)
        facts |= _approval_facts(permits, render, config, approval, output)
        entry = _log_and_place(
            project,
            facts,
            claim=claim,
            salt=salt,
            signed=signed,
            output=output,
            overwrite=overwrite,
            check_leave=check_leave,
        )
    except ConsentError:
        # They show the face.
        _remove_fragments(render, progress)
        raise
    finally:
        signed.unlink(missing_ok=True)
        finished.unlink(missing_ok=True)
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
    if plate.kind == "sequence":
        raise MediaError(f"{plate.path} is one of numbered pictures, which can't be a plate yet; make a video of them")
    if plate.transfer != "sdr":
        raise MediaError(
            f"{plate.path} is HDR ({plate.transfer.upper()}), and nothing here writes HDR yet; make an SDR copy of it "
            f"with: {sdr_command(plate.path)}"
        )
    suffixes = SUFFIXES[plate.kind]
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


def rehearse_publishing(plate: MediaInfo, output: Path, progress: Progress) -> None:
    """Test everything except the frames before the first one is rendered, and report what the output can't keep.

    Raises:
        MediaError: the plate's sound can't be put into such a file.
        ProvenanceError: the plate's own credentials can't be carried along.
    """
    check_plate(plate.path)
    suffix = output.suffix.lower()
    for note in losses(plate, planned_output(suffix)):
        progress.note(one_line(note))
    for note in rehearse(plate, suffix, progress):
        progress.note(one_line(note))


def joint_digest(permits: Sequence[Permit]) -> str:
    """What stands for the permits of a file: of a single one its own digest, of several one of all, in any order."""
    digests = sorted(permit.digest for permit in permits)
    return digests[0] if len(digests) == 1 else hashlib.sha256(ledger.canonical_json(digests)).hexdigest()


def result_parts(render: Render, config: PublishConfig) -> dict[str, str]:
    """Digests of everything that decides a result, each under a name for people; the marks come on top."""
    label = "shown" if config.label else f"left out: {config.unlabelled_reason.strip()}"
    return {**render.parts, "quality": str(config.quality), "label": label}


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
    permits: Sequence[Permit], render: Render, config: PublishConfig, approval: Approval | None, salt: bytes
) -> Claim:
    is_proxy, is_labelled = render.proxy_wh is not None, _is_labelled(render, config)
    decisions = () if approval is None else tuple(approval.decisions.values())
    return Claim(
        num_frames=len(render.altered),
        num_altered_frames=sum(render.altered),
        label="shown" if is_labelled else "left out",
        label_reason="" if is_labelled else config.unlabelled_reason.strip(),
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
        num_decided_frames=render.num_decided_frames,
        drawn_with=render.drawn_with,
        num_performers=render.num_performers,
        halo=render.halo,
        sentence=render.sentence,
        num_covered_frames=render.num_covered_frames,
        num_held_frames=render.num_held_frames,
        is_proxy=is_proxy,
        approval="awaited" if is_proxy else "given" if decisions else "",
        result_digest=result_digest(render, config) if is_proxy else "",
        salted_decision_digests=tuple(salted(digest, salt) for digest in decisions),
    )


def _is_labelled(render: Render, config: PublishConfig) -> bool:
    """A proxy always is: nobody has agreed yet to leaving the label out."""
    return config.label or render.proxy_wh is not None


def _write_frames(
    render: Render,
    folder: Path,
    finished: Path,
    config: PublishConfig,
    check_leave: Callable[[], None],
    progress: Progress,
) -> None:
    def frames_from(index: int) -> Iterator[Frame]:
        for frame in render.frames_from(index):
            # An invisible watermark goes into frame.pixels here, before the label.
            pixels = frame.pixels if render.proxy_wh is None else draw_words(frame.pixels)
            yield replace(frame, pixels=draw_label(pixels) if _is_labelled(render, config) else pixels)

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


def _check_plate_unchanged(render: Render, progress: Progress) -> None:
    """Check that the plate is still the one that was scanned; if not, remove what was rendered from either."""
    if take_fingerprint(render.plate.path).sha256 != render.plate.sha256:
        _remove_fragments(render, progress)
        raise MediaError(f"{render.plate.path} changed while it was rendered; run this again to use it as it is now")


def _check_signed(signed: Path, claim: Claim, identity: SigningIdentity) -> None:
    """Read back what was written, as a verifier would."""
    credentials = read_credentials(signed, identity.anchor_pem)
    if credentials.state != "trusted" or credentials.claim != claim:
        raise ProvenanceError(
            f"the signed file doesn't verify ({'; '.join(credentials.reasons) or credentials.state}); "
            "nothing was published, please report this"
        )


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
    asked = {
        "people": dict(sorted(approver for permit in permits for approver in permit.approvers)),
        "result": result_digest(render, config),
        "parts": result_parts(render, config),
        "file": output.name,
        "label": "shown" if config.label else "left out",
        "label_reason": "" if config.label else config.unlabelled_reason.strip(),
    }
    return {"is_proxy": True, "asked": asked}


def _log_and_place(
    project: Project,
    facts: dict[str, Any],
    *,
    claim: Claim,
    salt: bytes,
    signed: Path,
    output: Path,
    overwrite: bool,
    check_leave: Callable[[], None],
) -> ledger.LogEntry:
    """Log first, so that every published file is in the log; if naming the file fails, the entry is withdrawn."""
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
        _put_in_place(signed, output, overwrite=overwrite)
    except BaseException:
        # Ctrl-C may come just after the file got its name.
        if entry is not None and not (output.exists() and output.stat().st_ino == inode):
            _withdraw(project, entry)
        raise
    return entry


def _withdraw(project: Project, entry: ledger.LogEntry) -> None:
    """Note that a logged file never got its name; does nothing where the entry itself was rolled back."""
    sha256 = entry.facts["sha256"]
    with project.transaction() as database:
        if database.execute("DELETE FROM published WHERE sha256 = ?", (sha256,)).rowcount:
            ledger.append(project, "withdrawn", {"sha256": sha256, "published_entry": entry.number})


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
