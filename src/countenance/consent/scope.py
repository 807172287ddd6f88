"""The scope of a release, asked: may this production do this, with these files?"""

from collections.abc import Sequence

from countenance import ledger
from countenance.consent.register import KnownRelease, check_title
from countenance.consent.release import EXPLICIT, Release
from countenance.errors import ConsentError
from countenance.project import Project
from countenance.types import Particulars


def check_production(release: Release, *, use: str, channels: Sequence[str], title: str | None) -> None:
    """Check that a release is for a production: for its title, its use, and where its films are shown.

    Raises:
        ConsentError: it isn't.
    """
    scope, person = release.scope, release.subject.person
    if use not in scope.uses:
        raise ConsentError(
            f"the release of {person} is for uses {', '.join(scope.uses)}, not {use}; "
            "have one signed that names this use",
            code="consent.use",
            person=person,
            use=use,
        )
    if use in EXPLICIT and use not in scope.explicit:
        raise _lacks_line(person, use, f"{use} use")
    check_title(release, title)
    if not scope.channels:
        return
    named = ", ".join(scope.channels)
    if not channels:
        raise ConsentError(
            f"the release of {person} is only for {named}, and this project doesn't say where its films are shown; "
            f'add channels = ["{scope.channels[0]}"] to countenance.toml, above its sections, if that holds',
            code="consent.channel",
            person=person,
            channels=list(scope.channels),
        )
    others = [channel for channel in channels if channel not in scope.channels]
    if others:
        raise ConsentError(
            f"the release of {person} is only for {named}, and this project's films are shown in {', '.join(others)} "
            "as well; have one signed that names it, or make these films in a project of their own",
            code="consent.channel",
            person=person,
            channels=list(scope.channels),
        )


def check_particulars(project: Project, known: KnownRelease, asked: Particulars) -> None:
    """Check that a release allows what is to be done with certain files.

    Raises:
        ConsentError: the plate or a clip isn't one that it names, words would be put into a mouth, the label left out,
            or more files published than it allows.
    """
    release, person = known.release, known.release.subject.person
    if asked.plate is not None and release.scope.plates and asked.plate not in release.scope.plates:
        raise ConsentError(
            f"the release of {person} names the plates that may be used, and {asked.plate[:12]}… isn't among "
            "them; have one signed that names it, with `countenance release new --plate`",
            code="consent.plate",
            person=person,
            plate=asked.plate,
        )
    if asked.has_sound and release.role == "likeness" and "words" not in release.scope.explicit:
        raise _lacks_line(
            person, "words", "a plate with sound, in which their face is seen saying words that they never said"
        )
    if asked.is_unlabelled and release.disclosure.label == "always shown":
        raise ConsentError(
            f"the release of {person} wants the label always shown; leave out generate.label=false",
            code="consent.label",
            person=person,
        )
    if asked.is_counted and release.term.num_outputs is not None:
        published = num_outputs(project, known.digest)
        if published >= release.term.num_outputs:
            raise ConsentError(
                f"the release of {person} is for {release.term.num_outputs:,} published files, and so many are; "
                "have one signed for more (a --preview doesn't count)",
                code="consent.outputs",
                person=person,
                published=published,
            )
    check_footage(release, [sha256 for name, sha256 in asked.footage if name == person])


def check_footage(release: Release, sha256s: Sequence[str]) -> None:
    """Check that clips are among those from which the face may be learned.

    Raises:
        ConsentError: one isn't.
    """
    person = release.subject.person
    others = sorted(set(sha256s) - set(release.data.footage)) if release.data.footage else []
    if others:
        raise ConsentError(
            f"the release of {person} names the footage that may be learned from, and {others[0][:12]}… "
            f"{'is' if len(others) == 1 else f'and {len(others) - 1} more are'} not among it; have one signed that "
            "names it, with `countenance release new --footage`",
            code="consent.footage",
            person=person,
            footage=others,
        )


def refused_footage(error: ConsentError) -> list[str]:
    """Digests of the clips for which `check_footage` raised this; none for any other error."""
    footage = error.facts.get("footage")
    return list(footage) if error.code == "consent.footage" and isinstance(footage, list) else []


def check_collected(known: Sequence[KnownRelease], person: str, sha256: str) -> None:
    """Check that a clip may be learned from by one of a person's releases, where there are any.

    Raises:
        ConsentError: all of them name other footage.
    """
    refusals = []
    for each in known:
        if each.release.subject.person == person and each.revocation is None:
            try:
                check_footage(each.release, [sha256])
            except ConsentError as error:
                refusals.append(error)
            else:
                return
    if refusals:
        raise refusals[-1]


def num_outputs(project: Project, release_digest: str) -> int:
    """How many files were published under a release and not withdrawn, by the log; no previews, no proxies."""
    published = set()
    for entry in ledger.entries(project, "published", "withdrawn"):
        if entry.event == "published" and not (entry.facts.get("is_preview") or entry.facts.get("is_proxy")):
            # Entries of earlier versions name no releases, and no release of then counts files.
            if "releases" in entry.facts and release_digest in entry.fact("releases", list):
                published.add(entry.number)
        elif entry.event == "withdrawn":
            published.discard(entry.fact("published_entry", int))
    return len(published)


def limits_of(release: Release, num_published: int) -> tuple[str, ...]:
    """What narrows a release beyond its uses, in a few words each."""
    scope, term = release.scope, release.term
    limits = ["no sound"] if release.role == "likeness" and "words" not in scope.explicit else []
    limits += [f"only {', '.join(scope.channels)}"] if scope.channels else []
    for number, noun in ((len(scope.plates), "plate"), (len(release.data.footage), "clip")):
        limits += [f"{number:,} named {noun}{'' if number == 1 else 's'}"] if number else []
    limits += [f"{num_published:,} of {term.num_outputs:,} files"] if term.num_outputs is not None else []
    limits += ["label always"] if release.disclosure.label == "always shown" else []
    limits += ["approval"] if release.approval.needed else []
    return tuple(limits)


def _lacks_line(person: str, line: str, what: str) -> ConsentError:
    return ConsentError(
        f"the release of {person} has no line that allows {what}; have one signed that does, with "
        f"`countenance release new --line {line}`" + (", or take a plate without sound" if line == "words" else ""),
        code="consent.line",
        person=person,
        line=line,
    )
