"""Pictures and sounds, decoded within limits. Media are hostile: they may be bombs, lie outside the folder, or be no media."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raikit.data.batch import Audio
from raikit.errors import DataError

if TYPE_CHECKING:
    import numpy as np

MOST_PIXELS = 64_000_000
MOST_SECONDS = 600
MOST_BYTES = 256_000_000
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")


class MediaError(DataError):
    """A picture or sound that cannot be used; the message says why, the caller which row it belongs to."""


def locate(written: str, folder: Path) -> Path:
    """The file that a path in the table names.

    Raises
    ------
    MediaError
        If it is absolute, leaves `folder`, goes through a link, or is not there. Following links would let a table read
        any file of the machine.
    """
    if "\x00" in written or Path(written).is_absolute() or ".." in Path(written).parts:
        raise MediaError("the path leads outside the data's folder")
    path = folder
    for part in Path(written).parts:
        path = path / part
        if path.is_symlink():
            raise MediaError("the path goes through a link")
    if not path.is_file():
        raise MediaError("there is no such file")
    return path


def read_bytes(source: Any, folder: Path) -> bytes:
    """The bytes of a cell: a path in `folder`, bytes, or a mapping with ``bytes`` or ``path``."""
    if isinstance(source, Mapping):
        source = source.get("bytes") or source.get("path")
    if isinstance(source, bytes | bytearray | memoryview):
        content = bytes(source)
    elif isinstance(source, str):
        path = locate(source, folder)
        if path.stat().st_size > MOST_BYTES:
            raise MediaError(f"the file has more than {MOST_BYTES:,} bytes")
        try:
            content = path.read_bytes()
        except OSError as error:
            raise MediaError(str(error.strerror or error)) from None
    else:
        raise MediaError(f"the cell holds a {type(source).__name__}, neither a path nor bytes")
    if len(content) > MOST_BYTES:
        raise MediaError(f"it has more than {MOST_BYTES:,} bytes")
    return content


def decode_image(source: Any, folder: Path) -> np.ndarray:
    """Decode a picture.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
        Upright, transparency on white.

    Raises
    ------
    MediaError
        If it is no picture of a known format, is truncated, or has more than 64 million pixels.
    """
    import numpy as np
    from PIL import Image, ImageOps, UnidentifiedImageError

    content = read_bytes(source, folder)
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise MediaError(
                    f"the picture has {picture.width} × {picture.height} pixels, more than {MOST_PIXELS:,}"
                )
            upright = ImageOps.exif_transpose(picture)
            if upright.has_transparency_data:
                rgba = upright.convert("RGBA")
                upright = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
            return np.asarray(upright.convert("RGB"))
    except UnidentifiedImageError:
        raise MediaError("this is no picture (PNG, JPEG, WebP, GIF, BMP, TIFF)") from None
    except MediaError:
        raise
    except Exception as error:  # Pillow raises whatever its decoders raise
        raise MediaError(f"the picture cannot be read ({type(error).__name__}: {str(error)[:100]})") from None


def decode_audio(source: Any, folder: Path) -> Audio:
    """Decode a sound to one channel.

    Raises
    ------
    MediaError
        If it is no sound, is longer than ten minutes, or holds samples that are no numbers.
    """
    import numpy as np
    import soundfile

    content = read_bytes(source, folder)
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as sound:
            if sound.frames > MOST_SECONDS * sound.samplerate:
                raise MediaError(f"the sound is longer than {MOST_SECONDS // 60} minutes")
            samples, rate = sound.read(dtype="float32", always_2d=True), sound.samplerate
    except MediaError:
        raise
    except Exception as error:  # libsndfile's errors and broken headers alike
        raise MediaError(f"the sound cannot be read ({str(error)[:100].rstrip('.')})") from None
    mono = samples.mean(axis=1)
    if not mono.size or not np.isfinite(mono).all():
        raise MediaError("the sound is empty or holds samples that are no numbers")
    return Audio(mono, int(rate))


DECODERS = {"image": decode_image, "audio": decode_audio}
