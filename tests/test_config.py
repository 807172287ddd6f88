import logging
import math
import re
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countenance.config import describe_settings, read_config, stored_config
from countenance.coverage.aspects import CoverageConfig
from countenance.errors import ModelError, UsageError
from countenance.faces.config import PrepareConfig
from countenance.model.config import TrainConfig
from countenance.steps.generate import GenerateConfig

SECTIONS: dict[str, type] = {
    "prepare": PrepareConfig,
    "coverage": CoverageConfig,
    "train": TrainConfig,
    "generate": GenerateConfig,
}


def test_changes_go_over_settings_and_settings_over_defaults() -> None:
    config = read_config(TrainConfig, "train", {"train": {"seed": 3, "batch_size": 32}}, ["train.batch_size=8"])
    assert (config.seed, config.batch_size, config.faces) == (3, 8, TrainConfig().faces)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("train.bach_size=8", "unknown setting train.bach_size; `countenance settings train` lists all"),
        ("batch_size=8", "expected --set train.KEY=VALUE"),
        ("train.batch_size", "expected --set train.KEY=VALUE"),
        ("train.=8", "unknown setting train."),
        ("train.batch_size=many", "train.batch_size: expected a whole number from 1 to 1,024, got 'many'"),
        ("train.faces=0", "train.faces: expected a whole number from 1 to 10,000, got 0"),
        ("train.faces=100000000", "train.faces: .*, got 100000000"),
        ("train.faces=1e8", "train.faces: .*, got 100000000.0"),
        ("train.faces=true", "train.faces: .*, got True"),
        ("train.faces=24.0", "train.faces: .*, got 24.0"),
        ("train.learning_rate=-1", "train.learning_rate: expected a number above 0, at most 1, got -1"),
        ("train.learning_rate=0", "train.learning_rate: .*, got 0"),
        ("train.learning_rate=nan", "train.learning_rate: .*, got nan"),
        ("train.learning_rate=inf", "train.learning_rate: .*, got inf"),
        ('train.learning_rate="0.1"', "train.learning_rate: .*, got '0.1'"),
        ("train.threads=-2", "train.threads: expected a whole number from 0 to 1,024, got -2"),
        ("train.threads=x", "train.threads: .*, got 'x'"),
        ("train.threads=[1, 'x']", r"train.threads: .*, got \[1, 'x'\]"),
        ("train.threads={a = 1}", "train.threads: .*, got {'a': 1}"),
        ("train.threads=2026-01-01", "train.threads: .*, got datetime.date"),
        ("train.device=evil", "train.device: expected auto, cpu or cuda, got 'evil'"),
        ("train.metrics_every_steps=0", "train.metrics_every_steps: .*, got 0"),
        ("train.save_every_s=-1", "train.save_every_s: .*, got -1"),
        ("train.images=3", "settings train: images must be at least one batch of 4, got 3"),
        ("prepare.max_faces=-5", "prepare.max_faces: .* from 0 to 1,000,000, got -5"),
        ("prepare.min_difference=nan", "prepare.min_difference: expected a number from 0 to 1, got nan"),
        ("prepare.threads=-3", "prepare.threads: .*, got -3"),
        ("coverage.min_near=0", "coverage.min_near: .*, got 0"),
        ("coverage.near_deg=0", "coverage.near_deg: .*, got 0"),
        ("coverage.near_light=nan", "coverage.near_light: .*, got nan"),
        ("generate.quality=52", "generate.quality: expected a whole number from 0 to 51, got 52"),
        ("generate.label=1", "generate.label: expected true or false, got 1"),
        ("generate.skin=grey", "generate.skin: expected performer or likeness, got 'grey'"),
        ("generate.unlabelled_reason=7", "generate.unlabelled_reason: expected text of at most 200 characters, got 7"),
        (f"generate.unlabelled_reason={'x' * 201}", "generate.unlabelled_reason: .*, got 'x+…'"),
        ("generate.label=false", "settings generate: without the label, unlabelled_reason must say why"),
    ],
)
def test_wrong_settings_are_named_with_what_is_allowed_and_what_came(change: str, words: str) -> None:
    section = change.partition(".")[0] if "." in change.partition("=")[0] else "train"
    with pytest.raises(UsageError, match=words) as caught:
        read_config(SECTIONS[section], section, {}, [change])
    assert len(str(caught.value).splitlines()) == 1
    name, _, text = change.partition("=")
    if name in {setting.name for setting in describe_settings(SECTIONS[section], section)} and text.isdigit():
        # The same value in the settings file is refused in the same words.
        with pytest.raises(UsageError, match=words):
            read_config(SECTIONS[section], section, {section: {name.partition(".")[2]: int(text)}})


@pytest.mark.parametrize("table", [7, "x", [1], None, True])
def test_a_section_that_is_no_table_is_refused(table: object) -> None:
    with pytest.raises(UsageError, match=r"setting prepare: expected a table \[prepare\], got"):
        read_config(PrepareConfig, "prepare", {"prepare": table})


def test_deeply_nested_values_are_refused_like_others() -> None:
    with pytest.raises(UsageError, match=r"train\.threads"):
        read_config(TrainConfig, "train", {}, [f"train.threads={'[' * 5000}"])


@pytest.mark.parametrize(
    ("name", "most"),
    [("max_distance", 0.4), ("max_sure_distance", 0.32), ("max_known_distance", 0.35), ("max_unsure_distance", 0.5)],
)
def test_limits_that_carry_consent_can_only_be_lowered(name: str, most: float) -> None:
    """Looser ones would make a stranger the person: their tracks lie from 0.34 on (docs/prepare.md)."""
    assert getattr(PrepareConfig(), name) == most
    for wrong in (most + 0.001, 3, 0):
        with pytest.raises(UsageError, match=f"prepare.{name}: expected a number above 0, at most {most:g}"):
            read_config(PrepareConfig, "prepare", {"prepare": {name: wrong}})
    assert getattr(read_config(PrepareConfig, "prepare", {"prepare": {name: most / 2}}), name) == most / 2


def test_the_margin_can_only_be_raised() -> None:
    least = PrepareConfig().min_margin
    for wrong in (least - 0.001, -1, 2.1):
        with pytest.raises(UsageError, match=r"prepare\.min_margin: expected a number from 0\.05 to 2"):
            read_config(PrepareConfig, "prepare", {"prepare": {"min_margin": wrong}})
    assert read_config(PrepareConfig, "prepare", {"prepare": {"min_margin": 0.2}}).min_margin == 0.2


def stored(values: object, config_type: type = TrainConfig, section: str = "train") -> Any:
    return stored_config(
        config_type, section, values, where="model/checkpoint.json", remedy="train again", error=ModelError
    )


def test_stored_settings_of_another_version_are_read_with_a_note(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert stored({"foo": 1, "seed": 3}) == TrainConfig(seed=3)
    assert "model/checkpoint.json has settings of another version, which are ignored: 'foo'" in caplog.text
    assert stored({"foo": 1}) == stored({}) == TrainConfig()


@pytest.mark.parametrize("values", [7, None, [1], "seed = 3", {"seed": "x"}, {"faces": 1e8}, {"device": "evil"}])
def test_stored_settings_that_are_wrong_are_refused_with_the_remedy(values: object) -> None:
    with pytest.raises(ModelError, match=r"^model/checkpoint\.json: .*; train again$"):
        stored(values)


@pytest.mark.parametrize("section", SECTIONS)
def test_each_setting_is_documented_and_has_a_range_or_choices(section: str) -> None:
    settings = describe_settings(SECTIONS[section], section)
    assert settings
    for setting in settings:
        assert len(setting.meaning) > 10, setting.name
        keys = setting.schema.keys()
        has_range = keys & {"minimum", "exclusiveMinimum"} and "maximum" in keys
        assert has_range or keys & {"enum", "const", "maxLength"} or setting.schema["type"] == "boolean", setting.name
        # What is described is what is enforced, and the default is allowed.
        name = setting.name.removeprefix(f"{section}.")
        assert getattr(read_config(SECTIONS[section], section, {section: {name: setting.default}}), name) is not None
        if "maximum" in keys:
            with pytest.raises(UsageError, match=f"setting {setting.name}: expected {setting.allowed}"):
                read_config(SECTIONS[section], section, {section: {name: setting.schema["maximum"] + 1}})


DESCRIBED = [(name, setting) for name, config in SECTIONS.items() for setting in describe_settings(config, name)]


@given(st.data())
def test_any_value_is_a_setting_or_is_refused(data: st.DataObject) -> None:
    section, setting = data.draw(st.sampled_from(DESCRIBED))
    value = data.draw(st.integers() | st.floats() | st.booleans() | st.text() | st.lists(st.integers(), max_size=2))
    name = setting.name.removeprefix(f"{section}.")
    with suppress(UsageError):
        assert getattr(read_config(SECTIONS[section], section, {section: {name: value}}), name) == value


@given(st.data())
def test_a_number_is_a_setting_exactly_within_its_range(data: st.DataObject) -> None:
    section, setting = data.draw(st.sampled_from([each for each in DESCRIBED if "minimum" in each[1].schema]))
    low, high = setting.schema["minimum"], setting.schema["maximum"]
    outside = data.draw(st.integers(max_value=math.ceil(low) - 1) | st.integers(min_value=math.floor(high) + 1))
    with pytest.raises(UsageError, match=re.escape(f"setting {setting.name}: expected")):
        read_config(SECTIONS[section], section, {section: {setting.name.removeprefix(f"{section}."): outside}})
