"""Find, align, judge and keep the faces of one person."""

from collections.abc import Mapping
from dataclasses import asdict

from countenance.consent.register import templates
from countenance.consent.statement import statement_template
from countenance.errors import ConsentError
from countenance.faces.config import PrepareConfig
from countenance.faces.faceset import Prepared, close_face_set
from countenance.faces.recognise import reference_of
from countenance.faces.scan import Nets, scan_clip
from countenance.footage import collected_clips, timeline_of
from countenance.gates import check_footage
from countenance.progress import Progress, if_many
from countenance.project import Project
from countenance.runs import recorded_run
from countenance.steps.guards import Guard
from countenance.threads import num_threads
from countenance.types import Permit
from countenance.vision.identity import Embedding, Recogniser
from countenance.vision.segment import Segmenter


def check_stated_face(
    project: Project, person: str, permit: Permit, known: Mapping[str, Embedding], config: PrepareConfig
) -> None:
    """Check that the footage shows the face of the statement that was given under the permit's release, if one was.

    Raises:
        ConsentError: it doesn't.
    """
    reference = reference_of(project, person, known, config)
    for release in permit.release_digests:
        stated = statement_template(project, release)
        if stated is not None and reference.num_tracks and reference.distance(stated) > reference.limit:
            raise ConsentError(
                f"the footage of {person} shows another face than their statement: {reference.distance(stated):.2f} "
                f"apart, at most {reference.limit:.2f} expected; collect footage of the person who gave it",
                code="consent.statement_differs",
                person=person,
                release=release,
            )


def prepare(project: Project, person: str, permit: Permit, config: PrepareConfig, *, progress: Progress) -> Prepared:
    """Make a person's face set from all of their clips; frames that were scanned before aren't scanned again.

    Raises:
        ConsentError: the permit doesn't hold, or a release ends while this goes on; then no face set is made.
        MediaError: a clip can't be read.
        FaceError: no face, or none of this person.
    """
    guard = Guard(project, permit, "prepare", people=(person,))
    clips = guard.clips_to_learn(person, collected_clips(project, person), progress)
    permit = guard.permit
    facts = {"config": asdict(config), "person": person, "clips": [info.sha256 for info in clips]}
    with recorded_run(project, "prepare", permit.digest, facts):
        nets = Nets(recogniser=Recogniser(), segmenter=Segmenter())
        known = templates(project)
        for info in if_many(progress, len(clips)).track(
            clips, what=f"preparing footage of {person}", unit="clips", total=len(clips)
        ):
            timeline = timeline_of(project, info, progress)
            # Passed when it was collected, if not by an earlier version.
            check_footage(project, info, timeline, progress)
            scan_clip(
                project,
                person,
                "prepare",
                info,
                timeline,
                known[person],
                nets,
                config,
                threads=num_threads(config.threads),
                check_leave=guard.check,
                progress=progress,
            )
        check_stated_face(project, person, permit, known, config)
        return close_face_set(project, person, known, clips, permit, config, progress, check_leave=guard.check)
