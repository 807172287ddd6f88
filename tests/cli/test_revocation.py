"""A revocation that arrives while a command of the same project runs: three processes, as on a production's machine."""

from collections.abc import Callable
from pathlib import Path

import pytest

from countenance import ledger
from countenance.consent.register import add_revocation
from countenance.project import opened
from tests.support.desk import TRAIN, Desk
from tests.support.videos import cut


def revocation_by(desk: Desk, person: str, role: str) -> Path:
    """The document that its owner sends."""
    written = desk.folder / f"{person}.revocation.toml"
    desk.do("release", "revoke", desk.folder / f"{person}-{role}.release.toml", "--key", desk.folder / f"{person}.key")
    assert written.exists()
    return written


def stopped_by(desk: Desk, revocation: Path, words: tuple[str | Path, ...], is_under_way: Callable[[], bool]) -> str:
    """Run a command, bring the revocation in once it is under way, and return the one line that it ends with."""
    running = desk.start(*words)
    running.wait_for(is_under_way)
    with pytest.MonkeyPatch.context() as patch, opened(desk.project) as project:
        patch.setenv("COUNTENANCE_CONFIG", str(desk.folder / "config"))
        add_revocation(project, revocation)
        events = [entry.event for entry in ledger.entries(project)]
    ended = running.end()
    assert ended.code == 3, ended.err
    with opened(desk.project) as project:
        assert [entry.event for entry in ledger.entries(project)] == events
    assert events[-1] == "release.revoked"
    desk.check()
    return ended.error


def num_rows(desk: Desk, table: str) -> int:
    with opened(desk.project) as project:
        (number,) = project.database.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(number)


def test_prepare(collected: Desk) -> None:
    cut("zuri", collected.folder / "long.mp4", num_frames=240, first=0)
    collected.do("collect", "dana", collected.folder / "long.mp4")
    revocation = revocation_by(collected, "dana", "likeness")
    words = ("prepare", "dana", "--set", "prepare.threads=1")
    error = stopped_by(collected, revocation, words, lambda: num_rows(collected, "stretches") > 0)
    assert error.startswith("error: the release of dana was revoked on ")
    assert num_rows(collected, "face_sets") == 0


def test_train(trained: Desk) -> None:
    revocation = revocation_by(trained, "kim", "performer")
    facts, metrics = trained.model / "checkpoint.json", trained.model / "metrics.jsonl"
    before = facts.read_bytes()
    metrics.unlink(missing_ok=True)
    more = ("train.images=1000000", "train.save_every_s=1000", "train.metrics_every_steps=1")
    words = (*TRAIN, *(word for setting in more for word in ("--set", setting)))

    def is_training() -> bool:
        return metrics.exists() and metrics.read_text().count("\n") > 3

    error = stopped_by(trained, revocation, words, is_training)
    assert error.startswith("error: the release of kim was revoked on ")
    assert facts.read_bytes() == before
    assert trained.run(*trained.generate()).code == 3


def test_generate(trained: Desk) -> None:
    cut("performance", trained.folder / "plate.mp4", num_frames=96)
    revocation = revocation_by(trained, "kim", "performer")
    fragments = trained.project / "renders"
    error = stopped_by(trained, revocation, trained.generate(), lambda: any(fragments.rglob("00000.nut")))
    assert error.startswith("error: the release of kim was revoked on ")
    assert not (trained.folder / "shot.mp4").exists()
    assert not list(fragments.iterdir())
    assert num_rows(trained, "published") == 0
