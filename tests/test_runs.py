import json

import pytest

from countenance.project import Project
from countenance.runs import recorded_run


def test_a_run_keeps_what_it_was_made_with_and_how_it_ended(project: Project) -> None:
    with recorded_run(project, "train", "p", {"seed": 3}):
        assert project.database.execute("SELECT outcome FROM runs").fetchone() == (None,)
    verb, facts, permit, outcome = project.database.execute(
        "SELECT verb, facts, permit_digest, outcome FROM runs"
    ).fetchone()
    assert (verb, permit, outcome) == ("train", "p", "done")
    assert json.loads(facts)["seed"] == 3
    assert "torch" in json.loads(facts)["versions"]


def test_a_run_that_failed_says_why(project: Project) -> None:
    with pytest.raises(ValueError, match="no"), recorded_run(project, "prepare", "p", {}):
        raise ValueError("no face")
    assert project.database.execute("SELECT outcome FROM runs").fetchone() == ("ValueError: no face",)
