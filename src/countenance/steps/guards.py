"""The guard that every step passes before it touches a face, a face set or a model, and calls again while it works."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

from countenance import ledger
from countenance.consent.leave import Clock, grant_leave, utc_now
from countenance.consent.permit import decide, permit_digest
from countenance.consent.scope import refused_footage
from countenance.errors import ConsentError, ModelError
from countenance.faces.faceset import has_face_set, open_face_set, read_faces
from countenance.faces.store import drop_scan, kept_clips
from countenance.model.checkpoint import Checkpoint, has_checkpoint, model_folder, read_checkpoint
from countenance.progress import Progress
from countenance.project import Project
from countenance.provenance.publish import SUFFIXES
from countenance.types import Action, AlignedFace, FaceSet, MediaInfo, Particulars, Permit


@dataclass(frozen=True, kw_only=True, slots=True)
class _Input:
    """Something that was opened, as `Leave.covering` takes it."""

    release_digests: Sequence[str]
    what: str
    again: str


class Guard:
    """Consent for one piece of work: the only way to face sets and models, and the check for while it runs.

    Whatever is opened through it counts from then on: `check` also covers the releases under which that was made.
    Its `permit` is the one that was let in, or, once files were asked for, the one that was given for them.
    """

    def __init__(
        self, project: Project, permit: Permit, action: Action, *, people: tuple[str, ...], clock: Clock = utc_now
    ) -> None:
        """Let a permit in.

        `people` is the likeness, then the performer; for preparing it is the one person.

        Raises:
            ConsentError: the permit is for something else or for others, or doesn't hold.
        """
        self.project = project
        self.permit = permit
        self._leave = grant_leave(project, permit, action, people=people, clock=clock)
        self._inputs: list[_Input] = []

    def check(self) -> None:
        """Return if the work may continue as of now; cheap, meant to be passed on and called often.

        Raises:
            ConsentError: a release to which the work owes anything was revoked, or its term has ended.
        """
        self._leave.check()

    def for_result(self, result: str) -> None:
        """Let this result be published, for as long as everybody whose release asks for it approves.

        Raises:
            ConsentError: somebody declined it, or hasn't decided.
        """
        self._leave = self._leave.for_result(result)

    def face_set(self, person: str) -> FaceSet:
        """The closed face set of a person whom the permit names.

        Raises:
            ConsentError: the permit doesn't name this person, or a release under which the face set was made was
                revoked since.
            FaceError: there is no face set.
        """
        if person not in self.permit.people:
            raise ConsentError(
                f"expected a permit that names {person}, got one for {' and '.join(self.permit.people)}; "
                "ask for the right one"
            )
        face_set = open_face_set(self.project, person)
        self._cover(
            face_set.release_digests,
            what=f"the face set of {person}",
            again=f"run `countenance prepare {person}` again",
        )
        self.allow_footage(person, kept_clips(self.project, person))
        return face_set

    def allow_footage(self, person: str, sha256s: Iterable[str]) -> None:
        """Ask whether the releases allow to learn a person's face from these clips, beside what was asked before.

        Raises:
            ConsentError: none of this person's does; the log says so.
        """
        asked = self.permit.particulars
        footage = asked.footage | {(person, sha256) for sha256 in sha256s}
        if footage != asked.footage:
            self._narrow(replace(asked, footage=footage), is_last=False)

    def clips_to_learn(self, person: str, clips: Sequence[MediaInfo], progress: Progress) -> list[MediaInfo]:
        """Those of a person's clips from which the releases allow to learn; of the others nothing stays found.

        Raises:
            ConsentError: there are none.
        """
        try:
            self.allow_footage(person, [info.sha256 for info in clips])
            return list(clips)
        except ConsentError as error:
            others = refused_footage(error)
            allowed = [info for info in clips if info.sha256 not in others]
            if not others or not allowed:
                raise
        self.allow_footage(person, [info.sha256 for info in allowed])
        with self.project.transaction():
            for sha256 in others:
                drop_scan(self.project, person, sha256, "prepare")
        for info in clips:
            if info.sha256 in others:
                progress.note(f"left out: the footage that the release of {person} names is without {info.path.name}")
        return allowed

    def allow_plate(self, plate: MediaInfo) -> None:
        """Ask whether the releases allow to look for the permit's people in a plate.

        Raises:
            ConsentError: one names its plates, and this isn't one; the log says so.
        """
        self._narrow(replace(self.permit.particulars, plate=plate.sha256), is_last=False)

    def allow_output(self, plate: MediaInfo, output: Path, *, is_labelled: bool, is_preview: bool) -> None:
        """Ask whether the releases allow this file to be made from this plate; the log has the answer.

        Raises:
            ConsentError: one of them doesn't.
        """
        has_sound = plate.has_audio and output.suffix.lower() not in SUFFIXES["picture"]
        asked = replace(
            self.permit.particulars,
            plate=plate.sha256,
            has_sound=has_sound,
            is_unlabelled=not is_labelled,
            is_counted=not is_preview,
        )
        self._narrow(asked, is_last=True)

    def allow_preview(self, plate: MediaInfo) -> None:
        """Ask whether the releases allow to show single frames made of this plate, labelled, without sound; the log
        has the answer.

        Raises:
            ConsentError: one of them doesn't.
        """
        asked = replace(
            self.permit.particulars, plate=plate.sha256, has_sound=False, is_unlabelled=False, is_counted=False
        )
        self._narrow(asked, is_last=True)

    def _narrow(self, particulars: Particulars, *, is_last: bool) -> None:
        """Exchange the permit for one that was also asked for these; another release of a person may be what allows
        them.
        """
        old = self.permit
        self.permit = decide(
            self.project,
            old.action,
            likeness=old.likeness,
            performer=old.performer,
            particulars=particulars,
            at=self._leave.clock(),
            is_last=is_last,
        )
        self._leave = grant_leave(
            self.project, self.permit, old.action, people=self.permit.people, clock=self._leave.clock
        )
        for each in self._inputs:
            self._leave = self._leave.covering(each.release_digests, what=each.what, again=each.again)

    def _cover(self, release_digests: Sequence[str], *, what: str, again: str) -> None:
        """Owe the work to the releases under which an input was made, too."""
        self._leave = self._leave.covering(release_digests, what=what, again=again)
        self._inputs.append(_Input(release_digests=release_digests, what=what, again=again))

    def has_face_set(self, person: str) -> bool:
        """Whether a face set of them was ever made; `face_set` says whether it may be used."""
        return has_face_set(self.project, person)

    def faces(self, face_set: FaceSet) -> Iterator[AlignedFace]:
        """The faces of a face set that was opened here, one at a time, in a fixed order."""
        return read_faces(self.project, face_set)

    @property
    def model_folder(self) -> Path:
        """Where the model of the two people whom the permit names is kept."""
        likeness, performer = self.permit.people
        return model_folder(self.project, likeness, performer)

    @property
    def has_model(self) -> bool:
        """Whether a model of the two was trained; `checkpoint` says whether it may be used."""
        return has_checkpoint(self.model_folder)

    def checkpoint(self, images: int | None = None) -> Checkpoint | None:
        """The model of the two people whom the permit names, or an earlier state of it that was kept after so many
        images; None where nothing was trained yet.

        Raises:
            ConsentError: a release that it was trained under was revoked since.
            ModelError: it can't be read, is of other people, or isn't one that the log knows.
        """
        checkpoint = read_checkpoint(self.model_folder, images)
        if checkpoint is not None:
            _check_logged(self.project, self.model_folder, checkpoint, self.permit.people)
            self._cover(
                checkpoint.release_digests,
                what=f"the model in {self.model_folder}",
                again="move that folder away and train a new one",
            )
        return checkpoint


def joint_check(guards: Sequence[Guard]) -> Callable[[], None]:
    """The check for as long as the work owes to all of them."""

    def check() -> None:
        for guard in guards:
            guard.check()

    return check


def trained_facts(checkpoint: Checkpoint) -> dict[str, Any]:
    """What the log holds of a checkpoint."""
    return {
        "model": checkpoint.digest,
        "weights": checkpoint.weights_sha256,
        "images_seen": checkpoint.images_seen,
        "best_images": checkpoint.best_images,
        "face_sets": list(checkpoint.face_set_digests),
        "permit": checkpoint.permit_digest,
    }


def _check_logged(project: Project, folder: Path, checkpoint: Checkpoint, people: tuple[str, ...]) -> None:
    """Trust a checkpoint's facts only where the log agrees.

    Raises:
        ModelError: the model is of other people, or was trained elsewhere, or its files were changed.
    """
    if checkpoint.people != people:
        raise ModelError(
            f"expected a model of {' onto '.join(people)} in {folder}, but it is of "
            f"{' onto '.join(checkpoint.people)}; give that folder its name back, or move it away and train again",
            code="model.unknown",
            path=folder,
        )
    trained = (entry.facts for entry in ledger.entries(project) if entry.event == "trained")
    if not any(_is_of(facts, checkpoint, project) for facts in trained):
        raise ModelError(
            f"the log knows no training that made the model in {folder}: it is from another project, or its files were "
            "changed; restore that folder from a copy, or move it away and train again",
            code="model.unknown",
            path=folder,
        )


def _is_of(facts: Mapping[str, Any], checkpoint: Checkpoint, project: Project) -> bool:
    if "model" in facts:
        return bool(facts["model"] == checkpoint.digest)
    # Entries of earlier versions name neither people nor releases, but the permit's digest is made of both.
    logged = (facts.get("weights"), facts.get("face_sets"), facts.get("permit"))
    if logged != (checkpoint.weights_sha256, list(checkpoint.face_set_digests), checkpoint.permit_digest):
        return False
    digests = sorted(checkpoint.release_digests)
    return any(
        permit_digest("train", *checkpoint.people, use=project.use, release_digests=some) == checkpoint.permit_digest
        for count in range(1, len(digests) + 1)
        for some in combinations(digests, count)
    )
