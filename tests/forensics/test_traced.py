from pathlib import Path

from PIL import Image

from countenance.forensics.traced import LIMITS, traces_finding
from countenance.forensics.traces import Traces, traces_of


def test_what_was_noticed_is_told_without_the_facts() -> None:
    finding = traces_finding(
        Traces(noticed=("seen", "and this"), facts=(("camera", "Acme"),), limits=("but not that",))
    )
    assert (finding.about, finding.state) == ("traces", "noticed")
    assert finding.summary.startswith("2 things were noticed")
    assert finding.reasons == ("seen", "and this")
    assert finding.limits == (*LIMITS, "but not that")


def test_nothing_noticed_proves_nothing() -> None:
    finding = traces_finding(Traces(facts=(("camera", "not noted"),)))
    assert finding.state == "unnoticed"
    assert "proves nothing either way" in finding.summary
    assert finding.reasons == ()


def test_a_file_that_cannot_be_looked_at_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"no video")
    finding = traces_finding(traces_of(tmp_path / "clip.mp4"))
    assert finding.state == "unknown"
    assert "not a video or picture" in finding.reasons[0]


def test_no_verdict_is_ever_spoken(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "picture.png")
    finding = traces_finding(traces_of(tmp_path / "picture.png"))
    for words in (finding.summary, *finding.reasons, *finding.limits):
        assert not any(word in words.lower() for word in ("fake", "genuine", "authentic", "manipulated"))
