"""From TOML sections and `--set` texts to the typed config of a stage."""

import dataclasses
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from countenance.errors import UsageError

Config = TypeVar("Config")


def read_config(
    config_type: type[Config], section: str, settings: Mapping[str, Any], changes: Sequence[str] = ()
) -> Config:
    """Build a stage's config from its section of the settings, with `key=value` changes on top.

    >>> read_config(TrainConfig, "train", {"train": {"seed": 3}}, ["train.batch_size=8"])

    Raises:
        UsageError: an unknown key, or a value of the wrong type.
    """
    assert dataclasses.is_dataclass(config_type)
    values = dict(settings.get(section, {}))
    for change in changes:
        name, equals, text = change.partition("=")
        if not equals or not name.startswith(f"{section}."):
            raise UsageError(f"expected --set {section}.KEY=VALUE, got {change!r}")
        values[name.removeprefix(f"{section}.")] = _parse_value(text)
    known = {field.name for field in dataclasses.fields(config_type)}
    unknown = sorted(values.keys() - known)
    if unknown:
        raise UsageError(f"unknown setting {section}.{unknown[0]}; this stage has {', '.join(sorted(known))}")
    try:
        return TypeAdapter(config_type).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join((section, *(str(part) for part in first["loc"])))
        raise UsageError(f"setting {where}: {first['msg'].lower()}, got {first['input']!r}") from None


def _parse_value(text: str) -> Any:
    """A TOML value where the text is one, else the text itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
