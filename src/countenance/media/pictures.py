"""How a picture file is opened, for all that look at one or read it."""

import importlib.util
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from countenance.errors import MediaError
from countenance.media.container import MAX_PIXELS

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF")
"""By Pillow's names; no other reader ever looks at a file."""

PICTURE_ERRORS = (OSError, SyntaxError, ValueError, ArithmeticError, LookupError, EOFError, struct.error, zlib.error)
"""What Pillow raises for pictures that are damaged, or made to do damage."""

SUB_PICTURES, DNG_VERSION = 330, 50706
"""Tags of TIFF by which the raw files of cameras are told; their first picture is a small preview."""


def reads_heic() -> bool:
    """Whether the library of the extra `heic` is there."""
    return importlib.util.find_spec("pillow_heif") is not None


@contextmanager
def opened_picture(path: Path) -> Iterator[Image.Image]:
    """Open a picture; its pixels aren't read yet.

    Raises:
        UnidentifiedImageError: it is none that can be read here.
        MediaError: it is damaged, or holds more than one picture.
    """
    formats: tuple[str, ...] = FORMATS
    if reads_heic():
        import pillow_heif  # noqa: PLC0415

        pillow_heif.register_heif_opener(thumbnails=False)
        formats = (*FORMATS, "HEIF")
    # Above its own limit Pillow warns before it refuses; of damaged EXIF it warns, too.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            picture = Image.open(path, formats=formats)
        except UnidentifiedImageError:
            raise
        except Image.DecompressionBombError:
            raise MediaError(
                f"{path} has far more than {MAX_PIXELS} pixels, the most there may be; shrink it"
            ) from None
        except PICTURE_ERRORS as error:
            raise MediaError(
                f"the picture {path} can't be read ({error}); open and save it in a picture editor"
            ) from error
        with picture:
            _check_single(path, picture)
            yield picture


def is_deep_rgb(picture: Image.Image) -> bool:
    """Whether an opened image stores RGB of 16 bits, though Pillow's mode says 8."""
    return picture.mode in {"RGB", "RGBA"} and any(";16" in str(tile[3]) for tile in getattr(picture, "tile", ()))


def _check_single(path: Path, picture: Image.Image) -> None:
    # A JPEG may hold a second picture for depth or a small one, a HEIC those beside its main one; only these two move.
    if picture.format in {"PNG", "WEBP"} and getattr(picture, "n_frames", 1) > 1:
        raise MediaError(f"expected a still picture, but {path} moves; save it as a video (.mp4)")
    if not isinstance(picture, TiffImagePlugin.TiffImageFile):
        return
    if picture.tag_v2.keys() & {SUB_PICTURES, DNG_VERSION}:
        raise MediaError(f"expected a TIFF with one picture, but {path} is raw or has several; save it as PNG")
    try:
        # Their number would be found by reading through all of them, and a few bytes make one.
        picture.seek(1)
    except EOFError:
        picture.seek(0)
    except PICTURE_ERRORS as error:
        raise MediaError(f"the picture {path} can't be read ({error}); open and save it in a picture editor") from error
    else:
        raise MediaError(f"expected a TIFF with one page, but {path} has several; save each as a file")
