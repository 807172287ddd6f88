"""Everything that can go wrong for a user, as one tree.

CountenanceError
├── UsageError            wrong use: names, options, folders, a project in use
├── ConsentError          a release is missing, invalid, expired, revoked or for something else
├── MediaError            a file can't be read or written
│   └── FaceError         no face, or not the right one, where one is needed
├── ModelError            a checkpoint is missing, corrupt or for other people; training went astray
├── ProvenanceError       a file can't be signed, logged or published; a log that was changed
└── ActorError            a synthetic actor can't be rendered: packages or Blender are missing, a render failed

A message is one line: what was expected, what came, what to do next.
"""


class CountenanceError(Exception):
    """The root of the tree; `exit_code` is what the command line ends with."""

    exit_code = 1


class UsageError(CountenanceError):
    exit_code = 2


class ConsentError(CountenanceError):
    exit_code = 3


class MediaError(CountenanceError):
    exit_code = 4


class FaceError(MediaError):
    pass


class ModelError(CountenanceError):
    exit_code = 5


class ProvenanceError(CountenanceError):
    exit_code = 6


class ActorError(CountenanceError):
    exit_code = 7


def one_line(text: str) -> str:
    """Text that can be shown: file names come from others, and none may steer a terminal or make it two lines."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
