"""`countenance log`: what the project did, and whether its log holds."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from countenance.cli.options import Json, Overwrite
from countenance.cli.shell import console, count, here, print_json

if TYPE_CHECKING:
    from countenance.ledger import Signer

app = typer.Typer(
    help="Show the project's log, check that nobody changed it, and keep a copy elsewhere.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command(short_help="Check that nobody changed the log.")
def check(
    anchor: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="What the log must go on from: an export, a timestamp (.tsr), or a published file. Repeatable.",
            readable=False,
            show_default=False,
        ),
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Root certificate (PEM) of who stamped.", readable=False, show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check that no log entry was altered, left out or moved, and that the end is the one this computer remembers.

    Each entry is signed by the computer that wrote it. Anyone who can write to both the project and your configuration
    folder can still rewrite all of it, and another computer can't tell whether the end is missing. An anchor that was
    kept elsewhere shows both.

    Example: countenance log check

    Example: countenance log check --anchor head.json --anchor shot.mp4
    """
    from countenance import ledger
    from countenance.provenance.anchor import check_anchor, read_anchor
    from countenance.steps.documents import checked_log_document

    read = [read_anchor(path, certificate) for path in anchor or []]
    with here(writing=False, any_schema=True) as project:
        num_entries, head = ledger.check(project, every_signature=True), ledger.remembered_head(project)
        backward = ledger.backward_steps(project)
        signers, vouched = ledger.signers(project), ledger.vouched_until(project)
        anchors = [(each, check_anchor(project, each)) for each in read]
    console.print(f"Entries: {num_entries}. None is altered, missing or out of order.")
    for signer in signers:
        console.print(_said_of(signer))
    if num_entries and not vouched:
        console.print(
            "This computer never wrote to this log, so it is unknown who did, and whether the end is missing."
        )
    elif vouched < num_entries:
        console.print(f"This computer knows the log up to entry {vouched}; others added the rest.")
    for each, number in anchors:
        console.print(f"The log goes on from {each.path} ({each.what}): entry {number}.", markup=False)
    if backward:
        console.print(
            f"By their times these entries were written before earlier ones: {', '.join(map(str, backward))}. "
            "The clock was set back meanwhile, so the times can't be relied on."
        )
    if as_json:
        print_json(checked_log_document(num_entries, head.number if head else None, backward, signers, anchors))


@app.command()
def show(as_json: Json = False) -> None:
    """Show all log entries, oldest first, then check them.

    Example: countenance log show
    """
    from countenance import ledger
    from countenance.steps.documents import log_document

    with here(writing=False, any_schema=True) as project:
        entries = list(ledger.entries(project))
        if as_json:
            print_json(log_document(entries))
        else:
            for entry in entries:
                facts = "  ".join(f"{name} {_short(value)}" for name, value in entry.facts.items() if value != "")
                print(f"{entry.number:>4}  {entry.time}  {entry.event:<16}  {facts}")
        ledger.check(project)


@app.command(short_help="Write the log, or only its signed end, to a file to keep elsewhere.")
def export(
    output: Annotated[Path, typer.Option(help="File to write.", readable=False, show_default=False)],
    head_only: Annotated[
        bool, typer.Option("--head-only", help="Only the log's end: one line that names nobody.")
    ] = False,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Check the log and write it as JSON lines, the signed head last. Kept elsewhere, the file is an anchor.

    The whole log names people as their releases do: keep it private. The head alone can be sent to anybody.

    Example: countenance log export --output log.jsonl

    Example: countenance log export --head-only --output head.json
    """
    from countenance.provenance.anchor import export_log
    from countenance.steps.documents import exported_log_document

    with here(writing=False, any_schema=True) as project:
        exported = export_log(project, output, head_only=head_only, overwrite=overwrite)
    what = "the log's head" if head_only else f"the log with {count(exported.head.number, 'line')} and its head"
    console.print(
        f"Wrote {what} to {exported.path}. Keep it where nobody who can write to the project reaches it; "
        f"`countenance log check --anchor {exported.path}` compares. Its digest, to have it stamped by an authority: "
        f"{exported.head.digest}",
        markup=False,
    )
    if as_json:
        print_json(exported_log_document(exported))


def _said_of(signer: "Signer") -> str:
    where = f"entry {signer.first}" if signer.num_entries == 1 else f"entries {signer.first} to {signer.last}"
    number = f" ({signer.num_entries} of them)" if signer.num_entries <= signer.last - signer.first else ""
    if not signer.key:
        return f"Not signed, by an earlier version: {where}{number}."
    who = "this computer" if signer.is_known else "another computer, whose key is unknown here"
    return f"Signed with the key {signer.name}, {who}: {where}{number}."


def _short(value: object) -> str:
    """Digests by their beginning, as people compare them; `--json` has them whole."""
    if isinstance(value, list):
        return ", ".join(_short(each) for each in value)
    text = str(value) if str(value).isprintable() else repr(value)
    return f"{text[:12]}…" if len(text) > 40 and text.isalnum() else text
