"""Write docs/settings.md from the settings' types; a test compares the page.

.venv/bin/python tools/write_settings_page.py
"""

from pathlib import Path

import tomli_w

from countenance.steps.settings import SECTIONS, list_settings

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"
INTRODUCTION = """# Settings
Every command reads its section of the project's `countenance.toml`; `--set SECTION.KEY=VALUE` overrides a setting for
one run. `countenance settings [SECTION]` prints these tables, with `--json` for programs. A value that isn't allowed is
refused before any work begins, with exit code 2. This page is written by `tools/write_settings_page.py`.
```toml
[train]
resolution = 64
images = 50000
```
"""


def settings_page() -> str:
    """The whole page: a table for each section."""
    page = INTRODUCTION
    for section in SECTIONS:
        page += f"\n## `{section}`\n| setting | default | allowed | meaning |\n| --- | --- | --- | --- |\n"
        for setting in list_settings(section):
            default = tomli_w.dumps({"value": setting.default}).removeprefix("value = ").strip()
            name = setting.name.removeprefix(f"{section}.")
            page += f"| `{name}` | `{default}` | {setting.allowed} | {setting.meaning} |\n"
    return page


if __name__ == "__main__":
    PAGE.write_text(settings_page())
