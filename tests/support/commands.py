"""A command called in this process."""

from collections.abc import Callable

import typer
from typer.testing import CliRunner, Result


def called(command: Callable[..., None], *arguments: str) -> Result:
    """How a command ends with these arguments, and what it prints; the project's own errors are raised."""
    app = typer.Typer()
    app.command()(command)
    result = CliRunner().invoke(app, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result
