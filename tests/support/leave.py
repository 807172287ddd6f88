"""What code that is handed a leave gets in tests that aren't about consent."""


def never_ends() -> None:
    """A leave that always holds."""
