"""Image files that anybody may have made: few formats, bounded memory, one kind of error."""

import contextlib
import warnings
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps

from vdg.errors import InputError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
MAX_PIXELS = 50_000_000  # decoding takes three bytes of each, every conversion as much again

# what is too large is refused here, in one line
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def open_file(path: Path) -> BinaryIO:
    """Open a file to read. Raises InputError where that fails."""
    try:
        return open(path, "rb")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


@contextlib.contextmanager
def opened(file: BinaryIO, where: str, formats: tuple[str, ...] = FORMATS):
    """Yield an image whose header has been read and whose pixels have not.

    where: what messages call it. formats: names that Pillow gives them.

    Raises InputError for another format, for more than MAX_PIXELS, and for anything in the block
    that fails.
    """
    try:
        with Image.open(file, formats=formats) as image:
            if image.width * image.height > MAX_PIXELS:
                raise _too_large(where)
            yield image
    except InputError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(where) from error
    except Exception as error:  # Pillow has no one exception for a damaged file
        reason = str(error).split(" <")[0]  # without a memory address
        raise InputError(
            f"{where}: cannot read image: unsupported or corrupt file ({reason}); supported: "
            + ", ".join(formats)
        ) from error


def _too_large(where: str) -> InputError:
    return InputError(
        f"{where} has more than {MAX_PIXELS // 1_000_000} million pixels: make it smaller first"
    )


def upright(image: Image.Image, where: str) -> Image.Image:
    """The image as its EXIF orientation says, with 8 bits per channel.

    Raises InputError where 16 or 32 bits are used, except in a PNG, whose format fixes their range.
    """
    turned = ImageOps.exif_transpose(image)
    if image.mode == "I;16" and image.format == "PNG":
        return Image.fromarray((np.asarray(turned) / 257).round().astype(np.uint8))
    if image.mode[0] in "IF":
        raise InputError(f"{where} has {image.mode} pixels, of unknown range: save it with 8 bits")
    return turned
