"""`countenance release`: draft, sign, add and revoke the documents in which people consent to the use of a face."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from countenance.cli import approval as approval_verbs
from countenance.cli.options import Json, Overwrite
from countenance.cli.shell import at_terminal, console, here, print_json
from countenance.cli.statement import challenge, statement

if TYPE_CHECKING:
    from countenance.consent.release import Release

app = typer.Typer(
    help="Draft, sign, add and revoke releases: the documents in which people consent to the use of their faces.\n\n"
    "The owner of the face runs key, page, sign, approve, decline and revoke, anywhere; the production runs new, "
    "countersign, add and list.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

ReleaseFile = Annotated[
    Path, typer.Argument(metavar="RELEASE", help="The release's file.", readable=False, show_default=False)
]
Key = Annotated[Path, typer.Option("--key", help="The owner's private key.", readable=False, show_default=False)]
Day = typer.Option(formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", show_default=False)


@app.command(short_help="Create the private key with which a person signs.")
def key(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="File to create.", show_default=False)],
    json: Json = False,
) -> None:
    """Create the private key with which a person signs; only they should ever have it.

    Example: countenance release key dana.key
    """
    from countenance.consent.keys import make_key

    make_key(path)
    console.print(
        f"Created {path}, readable only by you. Keep a copy in a safe place and give it to nobody: "
        "anyone who has it can sign and revoke for you, and without it you can't revoke.",
        markup=False,
    )
    if json:
        print_json({"key": path})


@app.command()
def new(
    person: Annotated[str, typer.Argument(metavar="PERSON", help="Short name, best a pseudonym.", show_default=False)],
    reference: Annotated[
        list[Path],
        typer.Option(help="Image that shows only this person. Repeatable.", readable=False, show_default=False),
    ],
    use: Annotated[
        list[str],
        typer.Option(
            help="film, documentary, research, teaching, advertising or political. Repeatable.", show_default=False
        ),
    ],
    project: Annotated[str, typer.Option(help="Title of the production.", show_default=False)],
    expires: Annotated[datetime, Day],
    role: Annotated[
        str, typer.Option(help="likeness (the face will appear) or performer (the face is replaced).")
    ] = "likeness",
    valid_from: Annotated[datetime | None, Day] = None,
    line: Annotated[
        list[str] | None,
        typer.Option(
            help="political, advertising or words (that the person never said): what needs a line of its own. "
            "Repeatable.",
            show_default=False,
        ),
    ] = None,
    prohibited: Annotated[str | None, typer.Option(help="What it may not be used for, in words.")] = None,
    plate: Annotated[
        list[Path] | None,
        typer.Option(help="The only plates that may be used. Repeatable.", readable=False, show_default=False),
    ] = None,
    footage: Annotated[
        list[Path] | None,
        typer.Option(
            help="The only footage from which the face may be learned. Repeatable.",
            readable=False,
            show_default=False,
        ),
    ] = None,
    channel: Annotated[
        list[str] | None,
        typer.Option(help="Where it may be shown, such as cinema or web. Repeatable.", show_default=False),
    ] = None,
    territory: Annotated[str | None, typer.Option(help="In which countries, in words.")] = None,
    remarks: Annotated[str | None, typer.Option(help="Anything else that was agreed, in words.")] = None,
    outputs: Annotated[int | None, typer.Option(help="How many files may be published with it.", min=1)] = None,
    keep_until: Annotated[datetime | None, Day] = None,
    always_label: Annotated[
        bool, typer.Option("--always-label", help="The label in the picture may never be left out.")
    ] = False,
    approval: Annotated[
        bool | None,
        typer.Option(
            "--approval/--no-approval",
            help="Whether the person sees each result and nothing is published without their yes. "
            "[default: yes for film and advertising]",
            show_default=False,
        ),
    ] = None,
    licensee: Annotated[str | None, typer.Option(help="Who may use the face: the production.")] = None,
    licensee_contact: Annotated[str | None, typer.Option(help="How to reach them.")] = None,
    licensee_key: Annotated[
        Path | None,
        typer.Option(
            help="The licensee's private key, if they are to sign too; only its public part is taken.",
            readable=False,
            show_default=False,
        ),
    ] = None,
    representation: Annotated[
        str | None, typer.Option(help="Who spoke for the person: a union, an agent, a lawyer.")
    ] = None,
    contact: Annotated[str | None, typer.Option(help="Where a revocation is to be sent.")] = None,
    synthetic: Annotated[bool, typer.Option("--synthetic", help="A rendered actor, not a human being.")] = False,
    output: Annotated[
        Path | None, typer.Option(help="File to write; without it PERSON.release.toml.", show_default=False)
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Draft a release for its owner to sign. A person who needs both roles signs two.

    The term is from today, or --valid-from, to the end of --expires, UTC. The images must be in the document's folder.

    Example: countenance release new dana --role likeness --reference dana.jpg --use film --project "Winter"
    --expires 2027-12-31
    """
    from countenance.consent.document import write_document
    from countenance.consent.drafting import new_release
    from countenance.consent.keys import load_key, public_key_of
    from countenance.errors import UsageError
    from countenance.media.probe import probe
    from countenance.steps.documents import release_document

    path = output or Path(f"{person}.release.toml")
    release = new_release(
        person,
        role=role,
        references=reference,
        uses=use,
        project=project,
        expires=expires.date(),
        folder=path.parent,
        valid_from=valid_from.date() if valid_from else None,
        synthetic=synthetic,
        representation=representation,
        explicit=line or [],
        prohibited=prohibited,
        plates=[probe(each).sha256 for each in plate or []],
        footage=[probe(each).sha256 for each in footage or []],
        channels=channel or [],
        territory=territory,
        remarks=remarks,
        num_outputs=outputs,
        kept_until=keep_until.date() if keep_until else None,
        label="always shown" if always_label else "shown, or left out for a recorded reason",
        approval=approval,
        licensee=licensee,
        licensee_contact=licensee_contact,
        licensee_key=None if licensee_key is None else public_key_of(load_key(licensee_key)),
        contact=contact,
    )
    for picture in reference:
        if probe(picture).kind != "picture":
            raise UsageError(f"expected an image as reference, but {picture} is a video; choose an image")
    write_document(path, release, overwrite=overwrite)
    console.print(
        f"Drafted {path}. `countenance release page {path}` makes a page to read. Next: {person} reads it and runs "
        f"`countenance release sign {path} --key {person}.key` (`countenance release key {person}.key` creates a key).",
        markup=False,
    )
    if json:
        print_json(release_document(path, release))


@app.command(short_help="Write a release as a page to read, keep or print.")
def page(
    path: ReleaseFile,
    revocation: Annotated[
        Path | None, typer.Option(help="The revocation that ended it.", readable=False, show_default=False)
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Page to write.  [default: RELEASE's name with .html]", readable=False),
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Write a release as a page to read before signing, to keep, or to print: all that it says, in plain words and
    field by field; how to sign it, and how to revoke it.

    The page shows a face, so only you can read it.

    Example: countenance release page dana.release.toml
    """
    from datetime import datetime

    import countenance
    from countenance.consent.document import read_release, read_revocation
    from countenance.consent.page import release_page
    from countenance.project import PRIVATE, write_whole
    from countenance.steps.documents import release_page_document
    from countenance.steps.pages import check_page

    written = output or path.with_suffix(".html")
    check_page(written, overwrite=overwrite)
    release = read_release(path)
    html = release_page(
        release,
        path,
        revocation=read_revocation(revocation) if revocation else None,
        made_on=datetime.now().astimezone().date(),
        version=countenance.__version__,
    )
    write_whole(written, html.encode(), mode=PRIVATE)
    console.print(f"See {written}, also to print. It shows a face: keep it private.", markup=False)
    if json:
        print_json(release_page_document(written, path, release))


@app.command(short_help="Sign a release as the owner of the face.")
def sign(
    path: ReleaseFile,
    key: Key,
    yes: Annotated[bool, typer.Option("--yes", help="Sign without being asked; what it says was read before.")] = False,
    json: Json = False,
) -> None:
    """Sign a release as the owner of the face; its images must be in its folder.

    It shows what the release says, and on a terminal asks for the person's name before it signs.

    Example: countenance release sign dana.release.toml --key dana.key
    """
    from countenance.consent.document import read_release, write_document
    from countenance.consent.drafting import sign as sign_release
    from countenance.consent.keys import load_key
    from countenance.consent.release import check_references
    from countenance.steps.documents import release_document

    draft = read_release(path)
    check_references(draft, path.parent)
    signed = sign_release(draft, load_key(key))
    console.print("\n".join(signed.summary), markup=False)
    if at_terminal() and not yes:
        _ask_to_sign(signed.subject.person)
    write_document(path, signed, overwrite=True)
    if signed.licensee.public_key is None:
        then = f"the production runs `countenance release add {path}` in its project."
    else:
        then = f"{signed.licensee.name} signs as well, with `countenance release countersign {path} --key FILE`."
    console.print(f"Signed {path} with {_fingerprint(signed)}. Next: {then}", markup=False)
    if json:
        print_json(release_document(path, signed))


@app.command(short_help="Sign a release as the licensee that it names.")
def countersign(path: ReleaseFile, key: Key, json: Json = False) -> None:
    """Sign a release as the licensee whose key it names, after its owner has.

    Example: countenance release countersign dana.release.toml --key studio.key
    """
    from countenance.consent.document import read_release, write_document
    from countenance.consent.drafting import countersign as countersign_release
    from countenance.consent.keys import load_key
    from countenance.steps.documents import release_document

    signed = countersign_release(read_release(path), load_key(key))
    write_document(path, signed, overwrite=True)
    console.print(
        f"Signed {path} for {signed.licensee.name}. "
        f"Next: the production runs `countenance release add {path}` in its project.",
        markup=False,
    )
    if json:
        print_json(release_document(path, signed))


@app.command()
def add(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="A release, a revocation or a decision.", readable=False, show_default=False
        ),
    ],
    json: Json = False,
) -> None:
    """Add a signed release, a revocation, or a decision on a result to the project.

    A revocation counts in all your projects on this computer. It may come before its release, which is then refused.

    Example: countenance release add dana.release.toml
    """
    from countenance.adding import add_signed, waits_for_others, why_not_for
    from countenance.consent.decision import Decision
    from countenance.consent.document import read_document
    from countenance.consent.release import Release
    from countenance.steps.documents import added_document

    given = read_document(path)
    with here(writing=True, alone=waits_for_others(given)) as project:
        added = add_signed(project, path, given)
        refused = why_not_for(project, added.document)
    document = added.document
    if not added.in_project:
        text = (
            "Kept: this project doesn't have that release. Wherever it is added later, or is already, in your projects "
            "on this computer, it is refused, provided that its owner signed this."
        )
    elif not added.new:
        text = f"{path} is in the project already; `countenance release list` shows its state."
    elif isinstance(document, Release):
        person = document.subject.person
        text = f"Added the release of {person} as {document.role}, signed with {_fingerprint(document)}. "
        text += f"But {refused}." if refused else f"Next: `countenance collect {person} FOOTAGE`."
    elif isinstance(document, Decision):
        text = f"{document.person} declined this result: {document.reason}. It won't be published."
        if document.verdict == "approved":
            text = f"{document.person} approved this result. Next: the same `countenance generate` publishes it."
    else:
        person = document.person
        text = (
            f"Revoked: nothing more will be made with the face of {person} under that release, here or in another "
            f"project of yours on this computer. What is kept of them stays until it is deleted: `countenance forget "
            f"{person}` shows it, and deletes it with --yes."
        )
    console.print(text, markup=False)
    if json:
        print_json(added_document(path, added))


app.command(short_help="Ask the owner of a release for a statement on video.")(challenge)
app.command(short_help="Check the statement that the owner of a release filmed.")(statement)


@app.command(short_help="Revoke a release as the owner of the face.")
def revoke(
    path: ReleaseFile,
    key: Key,
    reason: Annotated[str | None, typer.Option(help="Why, in one line; optional.")] = None,
    output: Annotated[
        Path | None, typer.Option(help="File to write; without it PERSON.revocation.toml.", show_default=False)
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Revoke a release as the owner of the face: writes a document that ends it in every project it is added to.

    Example: countenance release revoke dana.release.toml --key dana.key
    """
    from countenance.consent.document import read_release, write_document
    from countenance.consent.drafting import new_revocation
    from countenance.consent.keys import load_key
    from countenance.steps.documents import release_document

    release = read_release(path)
    revocation = new_revocation(release, load_key(key), reason=reason)
    written = output or path.parent / f"{release.subject.person}.revocation.toml"
    write_document(written, revocation, overwrite=overwrite)
    console.print(
        f"Wrote {written}. It takes effect in a project with `countenance release add {written}`: "
        "send it to everyone who has your release.",
        markup=False,
    )
    if json:
        print_json(release_document(written, revocation))


app.command(short_help="Approve a result as the owner of the face.")(approval_verbs.approve)
app.command(short_help="Decline a result as the owner of the face, with a reason.")(approval_verbs.decline)


@app.command("list", short_help="Show the project's releases, and whether they are valid.")
def list_releases(
    json: Json = False,
) -> None:
    """Show the project's releases: people, roles, uses, terms, whether they are valid now, and whether the statement
    that the project asks for was given.

    Example: countenance release list
    """
    from countenance import ledger
    from countenance.consent.register import known_releases, project_title, state_of
    from countenance.consent.scope import limits_of, num_outputs
    from countenance.consent.statement import state_of_statement
    from countenance.steps.documents import releases_document

    with here(writing=False, any_schema=True) as project:
        known = known_releases(project)
        title, use, at = project_title(project, known), project.use, ledger.time_now(project)
        used = {each.digest: num_outputs(project, each.digest) for each in known}
        statements = [state_of_statement(project, each) for each in known]
    if json:
        print_json(releases_document(title, use, known, used, statements, at))
        return
    console.print(f'Project "{title}", for {use}.' if title else f"No title yet; for {use}.", markup=False)
    if not known:
        console.print("No releases yet; `countenance release add FILE` adds one.")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("person", "role", "uses", "limits", "term (UTC)", "state", "statement", box=None)
    for each, statement_state in zip(known, statements, strict=True):
        release, term = each.release, each.release.term
        state: str = state_of(each, at)
        if each.forgotten_on:
            state = f"forgotten on {each.forgotten_on}"
        elif each.revocation:
            state = f"revoked on {each.revocation.revoked_on}"
        table.add_row(
            release.subject.person,
            release.role,
            ", ".join(release.scope.uses),
            ", ".join(limits_of(release, used[each.digest])),
            f"{term.valid_from} to {term.expires}",
            state,
            statement_state,
        )
    Console(highlight=False).print(table)


def _ask_to_sign(person: str) -> None:
    from countenance.errors import UsageError

    typed = typer.prompt(f"To sign this, type {person}", err=True, default="", show_default=False)
    if typed.strip() != person:
        raise UsageError("not signed: another name was typed; run this again if you want to sign")


def _fingerprint(release: "Release") -> str:
    """For owner and production to compare, on the phone, whose key it was."""
    from countenance.consent.keys import fingerprint_of

    assert release.subject.public_key is not None
    return f"key {fingerprint_of(release.subject.public_key)}"
