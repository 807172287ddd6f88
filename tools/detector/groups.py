"""Who is learned from, who is held out of that, and who is for testing only."""

from tools.detector.footage import Person

VALIDATION_EVERY = 10


def is_held_out(person: Person) -> bool:
    """Of training's people, those from whom its limits are taken."""
    return not person.is_for_tests and person.number % VALIDATION_EVERY == 0
