"""Everything that can go wrong for a user, as one tree.

CountenanceError
├── UsageError            wrong use: names, options, settings, folders, a project in use
├── ConsentError          a release is missing, invalid, expired, revoked or for something else
├── MediaError            a file can't be read or written
│   ├── FaceError         no face, or not the right one, where one is needed
│   └── IntimateError     a picture looks intimate
├── ModelError            a checkpoint is missing, corrupt or for other people; training diverged
├── ProvenanceError       a file can't be signed, logged or published; a log that was changed
└── ActorError            a synthetic actor can't be rendered: packages or Blender are missing, a render failed

A message is one line: what was expected, what came, what to do next. Beside it an error carries a `code` that stays
the same from version to version, and facts, both for programs; `CODES` lists them all.
"""

from collections.abc import Mapping

CODES: Mapping[str, str] = {
    "usage": "Wrong use, with no more exact code.",
    "usage.command_line": "An unknown command or option, or an argument is missing.",
    "usage.setting": "A setting is unknown, or its value isn't allowed.",
    "usage.no_project": "There is no project in the current folder or above it.",
    "usage.project_locked": "Another command is writing to the project.",
    "usage.exists": "The output exists already.",
    "usage.job": "The command can't be a job.",
    "usage.no_job": "The queue has no job of this number.",
    "usage.outside": "The studio was asked for a file outside of the folders that its user chose.",
    "usage.no_picture": "A release names a picture that isn't here.",
    "usage.page_too_old": "A page of the studio is of an earlier run; load it again.",
    "usage.too_large": "A file is larger than the studio or the disk can take.",
    "usage.held": "A held frame brings another face than the one that was drawn.",
    "consent": "A release doesn't allow this, for a reason without a more exact code.",
    "consent.release_missing": "The project has no release of this person.",
    "consent.release_expired": "The release's term has ended.",
    "consent.release_not_yet_valid": "The release's term has not begun.",
    "consent.release_revoked": "Its owner revoked the release.",
    "consent.forgotten": "What was known of this person was deleted; it needs a new release.",
    "consent.known_face": "The face in the release is known here under another name.",
    "consent.role": "The release is for the other role.",
    "consent.use": "The release is for other uses than the project's.",
    "consent.project": "The release is for another production.",
    "consent.line": "Political use, paid advertising, or words never said: the release has no line that allows it.",
    "consent.channel": "The release isn't for the channels in which the project's films are shown.",
    "consent.plate": "The release names the plates that may be used, and this isn't one.",
    "consent.footage": "The release names the footage that may be learned from, and this isn't among it.",
    "consent.outputs": "As many files as the release allows are published.",
    "consent.label": "The release wants the label always shown.",
    "consent.approval_awaited": "Somebody whose release asks for it hasn't approved this result yet.",
    "consent.declined": "Somebody whose release asks for approval declined this result.",
    "consent.statement_missing": "The person has given no statement under their release yet.",
    "consent.statement_refused": "The video isn't the statement that was asked for; `reasons` says why.",
    "consent.statement_differs": "The footage shows another face than the person's statement.",
    "media": "A file can't be used or written, for a reason without a more exact code.",
    "media.missing": "There is no such file.",
    "media.unreadable": "The file isn't a video or image that can be read; the message says why.",
    "media.intimate": "A picture looks intimate; nothing is made with it.",
    "face": "No face, or not the right one, for a reason without a more exact code.",
    "face.set_missing": "The person has no face set yet, or preparing was interrupted.",
    "face.not_found": "No face, or none of this person, is in the footage.",
    "face.not_scanned": "The plate must be looked through for this person first.",
    "face.unsure": "Faces may be the person's or not, and wait for a decision.",
    "face.ruled_out": "A track can't be confirmed as the person's, because the release rules it out.",
    "model": "A model can't be used, for a reason without a more exact code.",
    "model.missing": "A trained model is asked for, and there is none of this pair.",
    "model.corrupt": "The model's files are damaged or incomplete.",
    "model.unknown": "The log knows no training that made this model for these people.",
    "model.gate": "The net that looks for intimate content is missing or fails, so nothing is let through.",
    "provenance": "A file can't be signed or published, or a log doesn't hold.",
    "actors": "A synthetic actor can't be rendered.",
    "system.file": "The operating system refused to read or write a file, for example because the disk is full.",
    "system.database": "The project's database can't be used at the moment.",
    "job.killed": "A job was killed again and again before its end.",
    "stopped": "Stopped by Ctrl-C.",
    "bug": "A fault of Countenance itself; please report it.",
}
"""What each code means. Those of the last five lines aren't errors of the tree; the command line gives them."""


class CountenanceError(Exception):
    """The root of the tree; `exit_code` is what the command line ends with.

    >>> raise ConsentError("there is no release of dana here; …", code="consent.release_missing", person="dana")
    """

    exit_code = 1
    code = ""
    """The default of the class, unless the error has a more exact one."""

    def __init__(self, message: str = "", *, code: str | None = None, **facts: object) -> None:
        super().__init__(message)
        self.facts = facts
        """For programs: names, paths, values. Never a legal name."""
        if code is not None:
            self.code = code

    def specify(self, code: str, **facts: object) -> None:
        """Add a more exact code and facts, where the code that raised it gave none."""
        if self.code == type(self).code:
            self.code = code
        self.facts = {**facts, **self.facts}

    def rephrased(self, message: str) -> "CountenanceError":
        """The same error with another message."""
        return type(self)(message, code=self.code, **self.facts)


class UsageError(CountenanceError):
    exit_code = 2
    code = "usage"


class ConsentError(CountenanceError):
    exit_code = 3
    code = "consent"


class MediaError(CountenanceError):
    exit_code = 4
    code = "media"


class FaceError(MediaError):
    code = "face"


class IntimateError(MediaError):
    code = "media.intimate"


class ModelError(CountenanceError):
    exit_code = 5
    code = "model"


class ProvenanceError(CountenanceError):
    exit_code = 6
    code = "provenance"


class ActorError(CountenanceError):
    exit_code = 7
    code = "actors"


def one_line(text: str) -> str:
    """Text that can be shown: file names come from others, and must not control the terminal or add a line."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
