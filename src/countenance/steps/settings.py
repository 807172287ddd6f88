"""All settings of a project, by section."""

from collections.abc import Mapping

from countenance.composite.shot import ShotConfig
from countenance.config import Setting, describe_settings
from countenance.consent.statement import ConsentConfig
from countenance.coverage.aspects import CoverageConfig
from countenance.errors import UsageError
from countenance.faces.config import PrepareConfig
from countenance.model.config import TrainConfig
from countenance.steps.generate import GenerateConfig

SECTIONS: Mapping[str, type] = {
    "consent": ConsentConfig,
    "prepare": PrepareConfig,
    "coverage": CoverageConfig,
    "train": TrainConfig,
    "generate": GenerateConfig,
    "shot": ShotConfig,
}
"""In the order of the work; the names are those of the tables in `countenance.toml`."""


def list_settings(section: str | None = None) -> tuple[Setting, ...]:
    """The settings of one section, or of all.

    Raises:
        UsageError: the section does not exist.
    """
    if section is not None and section not in SECTIONS:
        raise UsageError(
            f"there is no section {section!r} of the settings; choose one of {', '.join(SECTIONS)}",
            code="usage.setting",
            setting=section,
        )
    return tuple(
        setting
        for name, config_type in SECTIONS.items()
        if section in (None, name)
        for setting in describe_settings(config_type, name)
    )
