"""What a project asks of people beyond their signature."""

from pathlib import Path

from countenance.project import SETTINGS_NAME


def ask_for_no_statements(project: Path) -> None:
    """For tests that are about something else: the people in them can't film themselves."""
    with (project / SETTINGS_NAME).open("a") as file:
        file.write("\n[consent]\nstatement_uses = []\n")
