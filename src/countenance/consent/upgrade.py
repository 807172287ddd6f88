"""Documents of earlier versions, brought into the present form: one function for each step, from table to table.

What was signed stays as it was; only what the program reads is upgraded.
"""

from collections.abc import Callable
from typing import Any

Table = dict[str, Any]

RELEASE_VERSION = 2


def upgraded(fields: Table) -> Table:
    """The fields of a release of this or an earlier version, in the present version's form.

    Raises:
        ValueError: it has a field that its version doesn't know.
        KeyError: it lacks one that its version has.
    """
    while (step := RELEASE_STEPS.get(fields.get("version"))) is not None:
        fields = step(fields)
    return fields


def _from_1(fields: Table) -> Table:
    """Version 1 named no licensee, no plates, no footage and no approval, and its channels in words.

    It said that the face may appear on another performance: in a film that includes what this performance says, and so
    it does for somebody who exists nowhere.
    """
    scope = dict(fields["scope"])
    channels = scope.pop("channels", None)
    uses = list(scope["uses"])
    explicit = [use for use in ("political", "advertising") if use in uses] + (
        ["words"] if "film" in uses or fields["subject"]["synthetic"] else []
    )
    remarks = {} if channels is None else {"remarks": f"Channels, in words: {channels}"[:400]}
    return {
        **_with(
            fields,
            language="en",
            summary=["It was signed in the first form of a release, which had no page in plain words."],
            licensee={"name": f'the production of "{scope["project"]}"'[:400]},
            approval={"needed": False},
        ),
        "version": 2,
        "scope": _with(scope, explicit=explicit, plates=[], channels=[], **remarks),
        "data": _with(fields["data"], transferable=False, footage=[]),
        "disclosure": _with(fields["disclosure"], watermark=True),
    }


def _with(table: Table, **added: Any) -> Table:
    if known := added.keys() & table.keys():
        raise ValueError(f"{min(known)} is unknown in a release of version 1")
    return table | added


RELEASE_STEPS: dict[object, Callable[[Table], Table]] = {1: _from_1}
"""By the version from which they lead to the next."""
