from pathlib import Path

from countenance.pages import is_page_about

PAGE = "<b>Private: this page shows faces.</b> {words} <img src='data:image/jpeg;base64,AAAA/lee+BBBB='>"


def test_a_page_is_about_whom_it_names_and_not_about_letters_in_its_pictures(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(PAGE.format(words="dana and lee"))
    assert is_page_about(path, ["lee"])
    path.write_text(PAGE.format(words="dana and lee-2"))
    assert not is_page_about(path, ["lee"])
    assert is_page_about(path, ["dana"])
