"""Which previews stay open: two, the one asked last among them, and each one that is at work."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from countenance.project import SETTINGS_NAME
from countenance.studio import previews as previews_module
from countenance.studio.previewing import Ask, Wish
from countenance.studio.previews import Previews

SOON_S, LONG_S = 0.2, 20.0


class FakeWarm:
    """A preview without a process; it answers once its plate may go on."""

    may_go_on: dict[str, Event]
    opened: list[str]
    closed: list[str]

    def __init__(self, wish: Wish) -> None:
        self.wish, self.num_asking, self.idle = wish, 0, None
        self.opened.append(wish.plate.name)

    def ask(self, ask: Ask) -> np.ndarray:
        assert self.may_go_on.setdefault(self.wish.plate.name, Event()).wait(LONG_S)
        return np.full((1, 1, 3), ask.index, np.uint8)

    def close(self) -> None:
        self.closed.append(self.wish.plate.name)


@pytest.fixture
def previews(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Previews]:
    (tmp_path / SETTINGS_NAME).touch()
    monkeypatch.setattr(previews_module, "_Warm", FakeWarm)
    FakeWarm.may_go_on, FakeWarm.opened, FakeWarm.closed = {}, [], []
    previews = Previews(tmp_path)
    yield previews
    previews.close()


def look(previews: Previews, plate: str) -> None:
    previews.ask(Path(plate), [("dana", "kofi")], Ask(side="after", index=1))


def let_go_on(*plates: str) -> None:
    for plate in plates:
        FakeWarm.may_go_on.setdefault(plate, Event()).set()


def test_two_stay_open_and_the_one_not_asked_for_longest_makes_room(previews: Previews) -> None:
    let_go_on("a", "b", "c")
    for plate in ("a", "b", "a", "c", "a"):
        look(previews, plate)
    assert (FakeWarm.opened, FakeWarm.closed) == (["a", "b", "c"], ["b"])


def test_one_that_is_at_work_is_never_ended_for_another(previews: Previews) -> None:
    with ThreadPoolExecutor(3) as pool:
        first, second = pool.submit(look, previews, "a"), pool.submit(look, previews, "b")
        while len(FakeWarm.may_go_on) < 2:
            time.sleep(0.01)
        third = pool.submit(look, previews, "c")
        let_go_on("c")
        with pytest.raises(TimeoutError):
            third.result(SOON_S)
        let_go_on("b")
        third.result(LONG_S)
        second.result(LONG_S)
        assert FakeWarm.closed == ["b"]
        assert not first.done()
        let_go_on("a")
        first.result(LONG_S)


def test_an_idle_one_is_closed_but_none_that_works_longer_than_that(
    previews: Previews, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(previews_module, "IDLE_S", SOON_S)
    let_go_on("a")
    look(previews, "a")
    FakeWarm.may_go_on["a"].clear()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(look, previews, "a")
        with pytest.raises(TimeoutError):
            asked.result(2 * SOON_S)
        assert FakeWarm.closed == []
        let_go_on("a")
        asked.result(LONG_S)
