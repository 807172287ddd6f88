"""The one place where errors become a line for people, a document for programs, and an exit code.

0 done · 2 wrong use · 3 consent · 4 media · 5 model · 6 provenance · 7 actors · 70 our bug · 130 stopped by Ctrl-C
"""

import signal
import sqlite3
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

import typer
from rich.text import Text
from typer.core import TyperGroup
from typer.exceptions import TyperException

from countenance.cli.shell import console, is_verbose, print_json
from countenance.errors import CountenanceError, one_line

REMEDY = "check free disk space and permissions, then run the same command again"
DATABASE_FAILED, FILE_FAILED, STOPPED, BUG = 4, 4, 130, 70
"""Exit codes of what is no error of the tree."""


class Verbs(TyperGroup):
    """All commands; every error ends in one line and its exit code, and with `--json` in a document as well."""

    def invoke(self, ctx: Any) -> Any:
        as_json = "--json" in ctx.args
        try:
            # From here on there is somebody to catch it.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            result = super().invoke(ctx)
            # Python's own flush, at its end, would report a full disk in its own way.
            sys.stdout.flush()
        except CountenanceError as error:
            _fail(str(error), error.exit_code, error.code, error.facts, as_json=as_json)
        except sqlite3.OperationalError as error:
            message = f"the project's database can't be used: {error}; {REMEDY}"
            _fail(message, DATABASE_FAILED, "system.database", {}, as_json=as_json)
        except BrokenPipeError:
            # The reader of our output has seen enough; typer ends without a message.
            raise
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            message = f"{where}{error.strerror or error}; {REMEDY}"
            facts = {"path": error.filename} if error.filename else {}
            _fail(message, FILE_FAILED, "system.file", facts, as_json=as_json)
        except KeyboardInterrupt:
            console.print("stopped; run the same command to resume")
            if as_json:
                print_json(_error_document("stopped", "stopped", STOPPED, {}))
            raise typer.Exit(STOPPED) from None
        except TyperException as error:
            # Typer prints it, for people.
            if as_json:
                message = one_line(error.format_message())
                print_json(_error_document(message, "usage.command_line", error.exit_code, {}))
            raise
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            _report_bug(error, as_json=as_json)
        return result


def _fail(message: str, exit_code: int, code: str, facts: Mapping[str, object], *, as_json: bool) -> NoReturn:
    message = one_line(message)
    console.print(Text.assemble(("error: ", "bold red"), message))
    if as_json:
        print_json(_error_document(message, code, exit_code, facts))
    raise typer.Exit(exit_code) from None


def _error_document(message: str, code: str, exit_code: int, facts: Mapping[str, object]) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "exit_code": exit_code, "facts": dict(facts)}}


def _report_bug(error: Exception, *, as_json: bool) -> NoReturn:
    """One line for the user; the traceback goes into a private file, and with `--verbose` to the console."""
    import traceback

    from countenance.bugs import report_bug

    if is_verbose():
        console.print("".join(traceback.format_exception(error)), markup=False)
    _fail(report_bug(error, f"countenance {' '.join(sys.argv[1:])}"), BUG, "bug", {}, as_json=as_json)
