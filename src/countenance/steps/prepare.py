"""Find, align, judge and keep the faces of one person."""

from dataclasses import asdict

from countenance.consent.register import templates
from countenance.consent.statement import stated_faces
from countenance.faces.config import PrepareConfig
from countenance.faces.faceset import Prepared, close_face_set
from countenance.faces.scan import Nets, scan_clip
from countenance.footage import collected_clips, timeline_of
from countenance.gates import check_footage
from countenance.progress import Progress, if_many
from countenance.project import Project
from countenance.runs import recorded_run
from countenance.steps.guards import Guard
from countenance.threads import num_threads
from countenance.types import Permit
from countenance.vision.identity import Recogniser
from countenance.vision.segment import Segmenter


def prepare(project: Project, person: str, permit: Permit, config: PrepareConfig, *, progress: Progress) -> Prepared:
    """Make a person's face set from all of their clips; frames that were scanned before aren't scanned again.

    Raises:
        ConsentError: the permit doesn't hold, a release ends while this goes on, or the faces are of somebody else than
            the statement; then no face set is made.
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
        return close_face_set(
            project,
            person,
            known,
            clips,
            permit,
            config,
            progress,
            stated=stated_faces(project, permit.release_digests),
            check_leave=guard.check,
        )
