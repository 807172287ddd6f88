"""From TOML sections, `--set` texts and stored values to the typed config of a stage, checked in one place.

The ranges are part of the types: `Annotated[Integer, Field(ge=1, le=64)]` on the field of a dataclass. What each
setting means is the docstring under its field; `@section` makes both readable for `describe_settings`.
"""

import dataclasses
import logging
import tomllib
from collections.abc import Hashable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, TypeVar, cast

from pydantic import AllowInfNan, ConfigDict, Field, Strict, TypeAdapter, ValidationError, with_config

from countenance.errors import CountenanceError, UsageError

Config = TypeVar("Config")

Integer = Annotated[int, Strict()]
Number = Annotated[float, Strict(), AllowInfNan(False)]
Boolean = Annotated[bool, Strict()]
Threads = Annotated[Integer, Field(ge=0, le=1024)]
"""0: as many as there are cores."""
Text = Annotated[str, Strict()]

section = with_config(ConfigDict(use_attribute_docstrings=True))
"""Decorates the dataclass of a section, above `@dataclass`."""

MAX_SHOWN = 80
"""Characters of a wrong value that an error message repeats."""

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """One setting, as a person or a program can read about it."""

    name: str
    """With its section, as `--set` takes it."""
    default: int | float | bool | str | list[str]
    allowed: str
    """Range or choices in words."""
    meaning: str
    schema: Mapping[str, Any]
    """Type and range as in JSON Schema."""

    @property
    def key(self) -> str:
        """Its name within its section."""
        return self.name.partition(".")[2]

    @property
    def title(self) -> str:
        """Its name as a form shows it."""
        return self.key.replace("_", " ").capitalize()


def text_of(value: object) -> str:
    """A setting's value as `--set` takes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


def read_config(
    config_type: type[Config], section: str, settings: Mapping[str, Any], changes: Sequence[str] = ()
) -> Config:
    """Build a stage's config from its section of the settings, with `key=value` changes on top.

    >>> read_config(TrainConfig, "train", {"train": {"seed": 3}}, ["train.batch_size=8"])

    Raises:
        UsageError: an unknown setting, or a value that isn't allowed.
    """
    table = settings.get(section, {})
    if not isinstance(table, Mapping):
        raise UsageError(
            f"setting {section}: expected a table [{section}], got {_shown(table)}; {_more(section)}",
            code="usage.setting",
            setting=section,
        )
    values = dict(table)
    for change in changes:
        name, equals, text = change.partition("=")
        if not equals or not name.startswith(f"{section}."):
            raise UsageError(
                f"expected --set {section}.KEY=VALUE, got {change!r}; {_more(section)}", code="usage.setting"
            )
        values[name.removeprefix(f"{section}.")] = _parse_value(text)
    unknown = sorted(str(name) for name in values.keys() - _names(config_type))
    if unknown:
        name = f"{section}.{unknown[0]}"
        raise UsageError(f"unknown setting {name}; {_more(section)}", code="usage.setting", setting=name)
    try:
        return _reader_of(config_type).validate_python(values)
    except ValidationError as error:
        raise UsageError(
            f"{_first_problem(config_type, section, error)}; {_more(section)}",
            code="usage.setting",
            setting=_first_name(section, error),
        ) from None


def _reader_of(config_type: type[Config]) -> TypeAdapter[Config]:
    # To make one takes long, as it reads the type's source for its docstrings.
    return _made_reader(cast(Hashable, config_type))


@cache
def _made_reader(config_type: Any) -> TypeAdapter[Any]:
    return TypeAdapter(config_type)


def stored_config(
    config_type: type[Config], section: str, values: object, *, where: str, remedy: str, error: type[CountenanceError]
) -> Config:
    """Build a stage's config from values that an earlier run stored, perhaps of another version.

    Settings that this version doesn't know are ignored with a note in the log; those that are missing get their
    default. All others must be allowed today.

    `where` names the file or table that holds the values, `remedy` what the user can do where they are wrong.

    Raises:
        CountenanceError: of the type `error`, for a value that isn't allowed.
    """
    if not isinstance(values, Mapping):
        raise error(f"{where}: expected a table of settings, got {_shown(values)}; {remedy}")
    known = {name: value for name, value in values.items() if name in _names(config_type)}
    unknown = sorted(str(name) for name in values.keys() - known.keys())
    if unknown:
        _log.warning("%s has settings of another version, which are ignored: %s", where, _shown(", ".join(unknown)))
    try:
        return _reader_of(config_type).validate_python(known)
    except ValidationError as problem:
        raise error(
            f"{where}: {_first_problem(config_type, section, problem)}; {remedy}",
            setting=_first_name(section, problem),
        ) from None


def describe_settings(config_type: type, section: str) -> tuple[Setting, ...]:
    """All settings of a section, in the order of the dataclass."""
    meanings: dict[str, str] = {}
    # A docstring belongs to the class in whose source it stands, not to those that inherit the field.
    for base in reversed([base for base in config_type.__mro__ if dataclasses.is_dataclass(base)]):
        properties = TypeAdapter(base).json_schema()["properties"]
        meanings |= {name: found["description"] for name, found in properties.items() if "description" in found}
    return tuple(
        Setting(
            name=f"{section}.{name}",
            default=found["default"],
            allowed=_allowed(found),
            meaning=" ".join(meanings.get(name, "").split()),
            schema={key: value for key, value in found.items() if key not in ("default", "description", "title")},
        )
        for name, found in TypeAdapter(config_type).json_schema()["properties"].items()
    )


def _names(config_type: type) -> set[str]:
    assert dataclasses.is_dataclass(config_type)
    return {field.name for field in dataclasses.fields(config_type)}


def _first_problem(config_type: type, section: str, error: ValidationError) -> str:
    first = error.errors()[0]
    if not first["loc"]:
        # Of several settings together, raised by the dataclass itself.
        return f"settings {section}: {first['ctx']['error']}"
    name = str(first["loc"][0])
    found = TypeAdapter(config_type).json_schema()["properties"][name]
    return f"setting {section}.{name}: expected {_allowed(found)}, got {_shown(first['input'])}"


def _first_name(section: str, error: ValidationError) -> str:
    return ".".join((section, *(str(part) for part in error.errors()[0]["loc"][:1])))


def _allowed(schema: Mapping[str, Any]) -> str:
    if "const" in schema:
        return str(schema["const"])
    if "enum" in schema:
        *first, last = (str(choice) for choice in schema["enum"])
        return f"{', '.join(first)} or {last}"
    if schema["type"] in ("array", "boolean", "string"):
        return _allowed_words(schema)
    kind = "a number" if schema["type"] == "number" else "a whole number"
    if schema.get("multipleOf") == 2:
        kind = "an even number"
    if "exclusiveMinimum" in schema:
        return f"{kind} above {_figure(schema['exclusiveMinimum'])}, at most {_figure(schema['maximum'])}"
    return f"{kind} from {_figure(schema['minimum'])} to {_figure(schema['maximum'])}"


def _allowed_words(schema: Mapping[str, Any]) -> str:
    if schema["type"] == "array":
        return f"a list of {_allowed(schema['items'])}"
    return "true or false" if schema["type"] == "boolean" else f"text of at most {schema['maxLength']} characters"


def _figure(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    text = text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"
    return repr(text) if isinstance(value, str) else text


def _more(section: str) -> str:
    return f"`countenance settings {section}` lists all"


def _parse_value(text: str) -> Any:
    """A TOML value where the text is one, else the text itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        return text
