"""What code that is handed a leave or a log gets in tests that aren't about consent."""


def never_ends() -> None:
    """A leave that always holds."""


def unrecorded(_: object) -> None:
    """A record of checkpoints that no log keeps."""
