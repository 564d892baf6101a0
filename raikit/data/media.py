"""Pictures and sounds, decoded within limits: a file may be a bomb, lie elsewhere, or be no picture at all."""

from __future__ import annotations

import io
import os
import re
import stat
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from raikit.data.batch import Audio
from raikit.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

MOST_PIXELS = 64_000_000
MOST_SECONDS = 600
MOST_SAMPLES = 192_000 * MOST_SECONDS  # of all channels together
MOST_BYTES = 256_000_000
_ABSOLUTE = re.compile(r"[/\\]|[A-Za-z]:")
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")

# What a cell may hold: a path, bytes, or what the `datasets` library writes: {bytes, path}.
Source = str | bytes | Path | Mapping[str, Any]


class MediaError(DataError):
    """A picture or sound that cannot be used; it says why, and the caller says which row it belongs to."""


def decode_image(source: Source, folder: Path | None = None) -> np.ndarray:
    """Decode a picture: upright, its first frame, transparency on white.

    Parameters
    ----------
    source : path, bytes, or mapping with ``bytes`` or ``path``
    folder : Path, optional
        A path is looked up in it and may not leave it. Absent: the path is trusted.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)

    Raises
    ------
    MediaError
        If there is no such file, it is none of PNG, JPEG, WebP, GIF, BMP and TIFF, is damaged, or has more than 64
        million pixels (which is found before they are decoded).
    """
    from PIL import ImageOps

    with _opened_image(source, folder) as picture:
        upright = ImageOps.exif_transpose(picture)
        if upright.mode.startswith("I;16"):  # Pillow would clip what is brighter than 255
            levels = np.asarray(upright) >> 8
            return np.repeat(levels.astype(np.uint8)[:, :, None], 3, axis=2)
        if upright.has_transparency_data:
            rgba = upright.convert("RGBA")
            upright = _on_white(rgba)
        return np.asarray(upright.convert("RGB"))


def decode_audio(source: Source, folder: Path | None = None) -> Audio:
    """Decode a sound to one channel, the mean of those that there are.

    Parameters
    ----------
    source, folder
        As for `decode_image`.

    Raises
    ------
    MediaError
        If there is no such file, libsndfile cannot read it, it is empty, longer than ten minutes, or holds samples that
        are no numbers.
    """
    with _opened_sound(source, folder) as sound:
        parts = [
            block.mean(axis=1)
            for block in sound.blocks(
                1 << 16, dtype="float32", always_2d=True, frames=MOST_SECONDS * sound.samplerate + 1
            )
        ]
        rate = int(sound.samplerate)
    samples = np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)
    # the header of a compressed file may understate its length
    if len(samples) > MOST_SECONDS * rate:
        raise MediaError(f"it is longer than {MOST_SECONDS // 60} minutes")
    if not len(samples):
        raise MediaError("not a readable sound (there is nothing in it)")
    if not np.isfinite(samples).all():
        raise MediaError("not a readable sound (samples that are no numbers)")
    return Audio(np.clip(samples, -1, 1, out=samples), rate)


def look_at_image(source: Source, folder: Path | None = None) -> None:
    """Raise what `decode_image` would, as far as the header tells."""
    with _opened_image(source, folder):
        pass


def look_at_audio(source: Source, folder: Path | None = None) -> None:
    """Raise what `decode_audio` would, as far as the header tells."""
    with _opened_sound(source, folder):
        pass


DECODERS: Mapping[str, Callable[[Source, Path | None], Any]] = {"image": decode_image, "audio": decode_audio}
LOOKS: Mapping[str, Callable[[Source, Path | None], None]] = {"image": look_at_image, "audio": look_at_audio}


# --- where it is ------------------------------------------------------------------------------------------------


def locate(written: str, folder: Path) -> Path:
    """The file that a path in a table names.

    Raises
    ------
    MediaError
        If it is absolute, has ``..`` in it, goes through a link below `folder`, or is no file. A table may come from
        anybody, and must not read whatever else is on the machine.
    """
    if "://" in written:
        raise MediaError("it is a web address; only files in the data's folder are read")
    # as Windows reads it too, so that a table means the same everywhere
    if _ABSOLUTE.match(written) or "\x00" in written or ".." in re.split(r"[/\\]", written):
        raise MediaError("the path leads out of the data's folder")
    path, mode = os.fspath(folder), 0
    try:
        for part in written.replace(os.sep, "/").split("/"):
            path = os.path.join(path, part)
            mode = os.lstat(path).st_mode
            if stat.S_ISLNK(mode):
                raise MediaError("the path goes through a link, which may lead out of the data's folder")
    except OSError:
        raise MediaError("there is no such file in the data's folder") from None
    if not stat.S_ISREG(mode):
        raise MediaError("the path names no file")
    return Path(path)


def _stream(source: Source, folder: Path | None) -> io.BufferedReader | io.BytesIO:
    """The file or the bytes, opened for reading and not too large."""
    if isinstance(source, Mapping):
        source = source.get("bytes") or source.get("path") or ""
    if isinstance(source, str):
        source = Path(source) if folder is None else locate(source, folder)
    if isinstance(source, bytes):
        size, stream = len(source), io.BytesIO(source)
        return stream if size <= MOST_BYTES else _too_large(size)
    if not isinstance(source, Path):
        raise MediaError(f"the cell holds a {type(source).__name__}, neither a path nor bytes")
    try:
        size = source.stat().st_size
        return source.open("rb") if size <= MOST_BYTES else _too_large(size)
    except OSError as error:
        raise MediaError(f"the file cannot be read ({error.strerror or 'input/output error'})") from None


def _too_large(size: int) -> Any:
    raise MediaError(f"it has {size:,} bytes, more than {MOST_BYTES:,}")


# --- what it is -------------------------------------------------------------------------------------------------


@contextmanager
def _opened_image(source: Source, folder: Path | None) -> Iterator[Image.Image]:
    from PIL import Image, UnidentifiedImageError

    with _stream(source, folder) as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of bombs at a limit of its own, and of odd palettes
        try:
            with Image.open(stream, formats=_FORMATS) as picture:
                if picture.width * picture.height > MOST_PIXELS:
                    raise MediaError(f"{picture.width:,} × {picture.height:,} pixels are more than {MOST_PIXELS:,}")
                yield picture
        except MediaError:
            raise
        except UnidentifiedImageError:
            raise MediaError("not a readable picture (none of PNG, JPEG, WebP, GIF, BMP, TIFF)") from None
        except Image.DecompressionBombError:
            raise MediaError(f"it has more than {MOST_PIXELS:,} pixels") from None
        except Exception as error:  # decoders raise SyntaxError, struct.error, zlib.error, MemoryError …
            raise MediaError(f"not a readable picture ({_what(error)})") from None


@contextmanager
def _opened_sound(source: Source, folder: Path | None) -> Iterator[Any]:
    import soundfile

    with _stream(source, folder) as stream:
        try:
            with soundfile.SoundFile(stream) as sound:
                if sound.frames > MOST_SECONDS * sound.samplerate or sound.frames * sound.channels > MOST_SAMPLES:
                    raise MediaError(f"it is longer than {MOST_SECONDS // 60} minutes")
                yield sound
        except MediaError:
            raise
        except Exception as error:  # libsndfile's own, and what a broken header makes of Python
            raise MediaError(f"not a readable sound ({_what(error)})") from None


def _what(error: Exception) -> str:
    """A word for what a decoder says; its own sentence may quote the file."""
    said = str(error).lower()
    if "truncated" in said or isinstance(error, EOFError):
        return "truncated"
    return "of no known format" if "format not recognised" in said else "damaged"


def _on_white(rgba: Image.Image) -> Image.Image:
    from PIL import Image

    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
