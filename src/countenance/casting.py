"""Cast synthetic actors: people who exist nowhere, brought into a project as likenesses when they are asked for.

An actor goes the same way as anybody: a release, which here the project itself issues and which says that the person is
synthetic; footage, which is rendered; a face set. All of it stays in the project, and is made once.
"""

import re
from pathlib import Path

from countenance.actors.actor import draw_actor
from countenance.actors.footage import render_screen_test
from countenance.consent.permit import decide_prepare
from countenance.consent.register import add_release, known_releases, project_title
from countenance.consent.synthetic import ROOM, issue_release
from countenance.errors import ConsentError, UsageError
from countenance.faces.config import PrepareConfig
from countenance.faces.faceset import has_face_set
from countenance.faces.portrait import template_of
from countenance.progress import Progress
from countenance.project import Project
from countenance.steps.collect import collect
from countenance.steps.prepare import prepare

PREFIX = "actor:"
MAX_SEED = 2**31 - 1


def seed_of(likeness: str) -> int | None:
    """The seed in `actor:SEED`; None where a person of the project is named.

    Raises:
        UsageError: what follows is no seed.
    """
    if not likeness.startswith(PREFIX):
        return None
    seed = likeness.removeprefix(PREFIX)
    if not re.fullmatch("[0-9]{1,10}", seed) or int(seed) > MAX_SEED:
        raise UsageError(
            f"expected a whole number up to {MAX_SEED:,} after {PREFIX}, got {seed!r}; "
            "`countenance actors sheet --output actors.png` shows faces with their seeds"
        )
    return int(seed)


def name_of(seed: int) -> str:
    """An actor's name in every project."""
    return f"actor-{seed}"


def cast_actor(project: Project, seed: int, progress: Progress) -> str:
    """Bring the actor of a seed into the project, as far as they aren't there yet, and return their name.

    Raises:
        ActorError: packages of the extra `actors` are missing, or a render failed.
        ConsentError: there is no release yet that names the production, or somebody else has the actor's name.
        FaceError: the actor's faces can't be told from those of somebody in the project.
    """
    person = name_of(seed)
    known = known_releases(project)
    own = [each for each in known if each.release.subject.person == person]
    if any(not each.release.subject.synthetic for each in own):
        raise ConsentError(f"{person} is a person of this project who isn't synthetic; choose another seed")
    if any(each.forgotten_on is not None for each in own):
        raise ConsentError(
            f"{person} was cast here and forgotten, with the key that signs for them; choose another seed"
        )
    if own and has_face_set(project, person):
        return person
    title = project_title(project, known)
    if title is None:
        raise ConsentError(
            "there is no release here yet, so that nothing says which production an actor is cast for; "
            "add the performer's with `countenance release add` first"
        )
    folder = _folder_of(project, person)
    portrait, clip = folder / f"{person}.png", folder / f"{person}.mp4"
    if not clip.exists():
        progress.note(f"Casting {person}, who exists nowhere else; it takes about a minute, once in a project.")
        render_screen_test(draw_actor(seed), portrait, clip, progress)
    if not own:
        release = issue_release(person, "likeness", portrait, folder, use=project.use, title=title)
        add_release(project, release, template_of)
    collect(project, person, [clip], progress=progress)
    prepare(project, person, decide_prepare(project, person), PrepareConfig(), progress=progress)
    return person


def is_cast(project: Project, person: str) -> bool:
    """Whether somebody is an actor who was cast in this project: by their name, and by releases that say so.

    Raises:
        ConsentError: a release in the database is not what its owner signed.
    """
    own = [each.release.subject for each in known_releases(project) if each.release.subject.person == person]
    return bool(re.fullmatch("actor-[0-9]+", person, re.ASCII) and own) and all(each.synthetic for each in own)


def _folder_of(project: Project, person: str) -> Path:
    folder = project.room(ROOM) / person
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder
