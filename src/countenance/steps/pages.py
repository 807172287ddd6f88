"""Where a step may write its page."""

from pathlib import Path

from countenance.errors import UsageError


def check_page(page: Path, *, overwrite: bool, option: str = "--output") -> None:
    """Check that a page can be written here. `option` is the one by which it was named.

    Raises:
        UsageError: it can't.
    """
    if page.suffix != ".html":
        raise UsageError(f"expected a page that ends in .html, got {page}")
    if not page.parent.is_dir():
        raise UsageError(f"there is no folder {page.parent} to write the page into; make it first")
    if page.is_dir():
        raise UsageError(f"expected a file, but {page} is a folder; choose another {option}")
    if page.exists() and not overwrite:
        raise UsageError(
            f"{page} exists already; choose another {option}, or add --overwrite", code="usage.exists", path=page
        )
