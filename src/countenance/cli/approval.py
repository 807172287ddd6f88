"""`countenance release approve` and `decline`: how a person decides on a result, on their own machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from countenance.cli.options import Json, Overwrite
from countenance.cli.shell import console, print_json

if TYPE_CHECKING:
    from countenance.consent.decision import Request, Verdict

RequestFile = Annotated[
    Path, typer.Argument(metavar="REQUEST", help="The request, beside its proxy.", readable=False, show_default=False)
]
Key = Annotated[Path, typer.Option("--key", help="Your private key.", readable=False, show_default=False)]
Output = Annotated[
    Path | None, typer.Option(help="File to write; without it SHOT.PERSON.decision.toml.", show_default=False)
]


def approve(
    path: RequestFile,
    key: Key,
    reason: Annotated[str | None, typer.Option(help="A remark, in one line; optional.")] = None,
    output: Output = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Approve a result as the owner of the face, after watching its proxy: it may then be published, exactly so.

    Example: countenance release approve shot.dana.approval.toml --key dana.key
    """
    _decide(path, key, "approved", reason=reason, output=output, overwrite=overwrite, json=json)


def decline(
    path: RequestFile,
    key: Key,
    reason: Annotated[str, typer.Option(help="Why, in one line: what should be changed.", show_default=False)],
    output: Output = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Decline a result as the owner of the face, after watching its proxy: it won't be published.

    Example: countenance release decline shot.dana.approval.toml --key dana.key --reason "the mouth smears at 0:12"
    """
    _decide(path, key, "declined", reason=reason, output=output, overwrite=overwrite, json=json)


def _decide(
    path: Path, key: Path, verdict: "Verdict", *, reason: str | None, output: Path | None, overwrite: bool, json: bool
) -> None:
    from countenance.consent.keys import load_key
    from countenance.steps.decide import decide, read_request
    from countenance.steps.documents import release_document

    request = read_request(path)
    console.print(_what_is_asked(request), markup=False)
    written, decision = decide(path, load_key(key), verdict, reason=reason, output=output, overwrite=overwrite)
    console.print(
        f"You {verdict} it. Wrote {written}. It takes effect in the project with `countenance release add {written}`: "
        "send it to the production. Until the result is published, you can decide anew.",
        markup=False,
    )
    if json:
        print_json(release_document(written, decision))


def _what_is_asked(request: "Request") -> str:
    """What a yes would let out."""
    last = request.first_frame + request.num_frames - 1
    labels = {
        "shown": "with the label in the picture",
        "credits": "with the label ONLY WHERE ALTERED PICTURES BEGIN, with the reason: {reason}",
        "left out": "WITHOUT the label in the picture, with the reason: {reason}",
    }
    label = labels[request.label].replace("{reason}", request.label_reason or "")
    return (
        f'"{request.project}" asks {request.person} about {request.proxy.file}: frames {request.first_frame} to {last} '
        f"of {request.num_plate_frames} of the plate, to be published at full size, {label}."
    )
