"""`countenance settings`: every setting with its default, range and meaning."""

from typing import TYPE_CHECKING, Annotated

import typer

from countenance.cli.options import Json
from countenance.cli.shell import print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from countenance.config import Setting


def settings(
    section: Annotated[
        str | None,
        typer.Argument(
            metavar="[SECTION]", help="consent, prepare, coverage, train, generate or shot.", show_default=False
        ),
    ] = None,
    json: Json = False,
) -> None:
    """List every setting with its default, allowed values and meaning. Works anywhere.

    A setting is changed for one run with --set SECTION.KEY=VALUE, and for a project in its countenance.toml.

    Example: countenance settings train
    """
    from countenance.steps.documents import settings_document
    from countenance.steps.settings import list_settings

    listed = list_settings(section)
    if json:
        print_json(settings_document(listed))
    else:
        _print_settings(listed)


def _print_settings(settings: "Sequence[Setting]") -> None:
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    out = Console(highlight=False)
    for setting in settings:
        default = str(setting.default).lower() if isinstance(setting.default, bool) else str(setting.default)
        out.print(Text.assemble((setting.name, "bold"), f" = {default or repr('')}   ", (setting.allowed, "cyan")))
        out.print(Padding(Text(setting.meaning), (0, 0, 1, 4)))
