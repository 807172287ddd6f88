import pytest

from countenance import project
from countenance.errors import UsageError
from countenance.steps.settings import SECTIONS, list_settings
from tools.write_settings_page import PAGE, settings_page


def test_all_sections_are_listed_in_the_order_of_the_work() -> None:
    listed = list_settings()
    assert [setting for section in SECTIONS for setting in list_settings(section)] == list(listed)
    assert {setting.name.split(".")[0] for setting in listed} == set(SECTIONS)
    assert len({setting.name for setting in listed}) == len(listed) > 35


def test_an_unknown_section_is_refused_with_those_there_are() -> None:
    with pytest.raises(
        UsageError, match="no section 'trian' of the settings; choose one of consent, prepare, coverage"
    ):
        list_settings("trian")


def test_the_page_in_the_docs_is_that_of_the_types() -> None:
    assert PAGE.read_text() == settings_page(), "run tools/write_settings_page.py"


def test_the_project_file_may_hold_exactly_these_sections() -> None:
    assert set(project.SECTIONS) == set(SECTIONS)
