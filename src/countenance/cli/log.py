"""`countenance log`: what the project did, and whether its log holds."""

import typer

from countenance.cli.options import Json
from countenance.cli.shell import console, here, print_json

app = typer.Typer(
    help="Show the project's log and check that nobody changed it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command(short_help="Check that nobody changed the log.")
def check(as_json: Json = False) -> None:
    """Check that no log entry was altered, left out or moved, and that the end is the one this computer remembers.

    Anyone who can write to both the project and your configuration folder can still rewrite all of it.

    Example: countenance log check
    """
    from countenance import ledger
    from countenance.steps.documents import checked_log_document

    with here(writing=False, any_schema=True) as project:
        count, head = ledger.check(project), ledger.remembered_head(project)
        backward = ledger.backward_steps(project)
    console.print(f"Entries: {count}. None is altered, missing or out of order.")
    if head is None and count:
        console.print("This computer never wrote to this log, so it is unknown whether the end is missing.")
    if backward:
        console.print(
            f"By their times these entries were written before earlier ones: {', '.join(map(str, backward))}. "
            "The clock was set back meanwhile, so the times can't be relied on."
        )
    if as_json:
        print_json(checked_log_document(count, head.number if head else None, backward))


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


def _short(value: object) -> str:
    """Digests by their beginning, as people compare them; `--json` has them whole."""
    if isinstance(value, list):
        return ", ".join(_short(each) for each in value)
    text = str(value) if str(value).isprintable() else repr(value)
    return f"{text[:12]}…" if len(text) > 40 and text.isalnum() else text
