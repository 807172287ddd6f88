"""What a user is told of our own mistakes: one line, and a private file to send to us."""

import platform
import traceback

import countenance
from countenance.errors import CountenanceError
from countenance.project import PRIVATE, make_config_folder, write_whole

BUG_REPORT_NAME, MAX_BUG_CHARACTERS = "bug-report.txt", 200


def report_bug(error: Exception, doing: str) -> str:
    """Write the traceback into the user's own folder, and return the line that says so; `doing` is what was asked."""
    facts = f"countenance {countenance.__version__}, Python {platform.python_version()}, {platform.platform()}"
    trace = "".join(traceback.format_exception(error))
    try:
        path = make_config_folder() / BUG_REPORT_NAME
        write_whole(path, f"{facts}\n{doing}\n\n{trace}".encode(errors="backslashreplace"), mode=PRIVATE)
        report = f"report it in the issue tracker of Countenance with {path} (read it first: it names your files)"
    except (OSError, CountenanceError):
        report = "report it in the issue tracker of Countenance with what `countenance --verbose` prints"
    what = f"{type(error).__name__}: {error}"
    return f"this is a bug in Countenance, not your mistake: {what[:MAX_BUG_CHARACTERS]}; please {report}"
