"""Pictures and sounds, decoded within limits: a file may be a decompression bomb, lie outside the folder, or be damaged."""

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
from raikit.limits import in_force, variable

if TYPE_CHECKING:
    from PIL import Image

_SAMPLES_A_SECOND = 192_000  # of all channels together
MAX_OVERSHOOT = 2.0  # 6 dB over full scale: more is another scale, not a loud sound
_ABSOLUTE = re.compile(r"[/\\]|[A-Za-z]:")
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")

# What a cell may hold: a path, bytes, or the mapping {bytes, path} that the `datasets` library writes.
Source = str | bytes | Path | Mapping[str, Any]


class MediaError(DataError):
    """A picture or sound that cannot be used; says why, and the caller adds which row it belongs to."""


def decode_image(source: Source, folder: Path | None = None) -> np.ndarray:
    """Decode a picture: upright, first frame only, transparency on white.

    Pixels of 16 bits keep their upper 8, and those of floating point count from 0 (black) to 1 (white). Other colour spaces
    (CMYK, LAB, YCbCr) become RGB without a colour profile.

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
        If the file does not exist, is damaged, is not PNG, JPEG, WebP, GIF, BMP or TIFF, has too many pixels (found before
        they are decoded; see `raikit.limits`), or has pixels whose range is not known: 32-bit integers, or floats beyond 0 … 1.
    """
    from PIL import ImageOps

    with _open_image(source, folder) as picture:
        upright = ImageOps.exif_transpose(picture)
        if upright.mode[0] in "IF":  # Pillow would clip numbers above 255, and read 0 … 1 as black
            return np.repeat(_grey_levels(upright)[:, :, None], 3, axis=2)
        if upright.has_transparency_data:
            rgba = upright.convert("RGBA")
            upright = _on_white(rgba)
        return np.asarray(upright.convert("RGB"))


def _grey_levels(picture: Image.Image) -> np.ndarray:
    """Return the grey levels, 0 to 255, of pixels that are wider than 8 bits."""
    pixels = np.asarray(picture)
    if picture.mode.startswith("I;16"):
        return (pixels >> 8).astype(np.uint8)
    low, high = float(pixels.min(initial=0)), float(pixels.max(initial=0))
    if picture.mode != "F":
        raise MediaError("its pixels are 32-bit integers, whose range is not known; save it with 8 or 16 bits")
    if not (low >= 0 and high <= 1):  # NaN too
        raise MediaError(f"its pixels are floats from {low:.4g} to {high:.4g}, not 0 to 1; save it with 8 or 16 bits")
    return np.asarray(np.rint(pixels * 255).astype(np.uint8))


def decode_audio(source: Source, folder: Path | None = None) -> Audio:
    """Decode a sound to one channel, the mean of all channels, at its own rate.

    Integer samples are scaled to -1 … 1. Floats up to twice that are clipped, as a player would do.

    Parameters
    ----------
    source, folder
        As for `decode_image`.

    Raises
    ------
    MediaError
        If the file does not exist, cannot be read by libsndfile, is empty, is too long (see `raikit.limits`), or holds samples
        that are NaN, infinite, or beyond -2 … 2 (the scale of integers, for example).
    """
    most = in_force().sound_seconds
    with _open_sound(source, folder) as sound:
        blocks = [
            block.mean(axis=1)
            for block in sound.blocks(1 << 16, dtype="float32", always_2d=True, frames=most * sound.samplerate + 1)
        ]
        rate = int(sound.samplerate)
    samples = np.concatenate(blocks) if blocks else np.zeros(0, dtype=np.float32)
    # The header of a compressed file may understate its length.
    if len(samples) > most * rate:
        raise _too_long(most)
    if not len(samples):
        raise MediaError("not a readable sound (it is empty)")
    if not np.isfinite(samples).all():
        raise MediaError("not a readable sound (some samples are NaN or infinite)")
    if (loudest := float(np.abs(samples).max())) > MAX_OVERSHOOT:
        raise MediaError(f"its samples reach {loudest:,.4g}, where a sound lies between -1 and 1; rescale it")
    return Audio(np.clip(samples, -1, 1, out=samples), rate)


def check_image_header(source: Source, folder: Path | None = None) -> None:
    """Raise `MediaError` if the header shows that `decode_image` would."""
    with _open_image(source, folder):
        pass


def check_audio_header(source: Source, folder: Path | None = None) -> None:
    """Raise `MediaError` if the header shows that `decode_audio` would."""
    with _open_sound(source, folder):
        pass


DECODERS: Mapping[str, Callable[[Source, Path | None], Any]] = {"image": decode_image, "audio": decode_audio}
HEADER_CHECKS: Mapping[str, Callable[[Source, Path | None], None]] = {
    "image": check_image_header,
    "audio": check_audio_header,
}


# --- finding the file -------------------------------------------------------------------------------------------


def locate(written: str, folder: Path) -> Path:
    """Return the path of the file that a cell names.

    A table may come from anybody, so it must not name files outside its own folder.

    Raises
    ------
    MediaError
        If the path is absolute, contains ``..``, goes through a link below `folder`, or does not name a file.
    """
    if "://" in written:
        raise MediaError("it is a web address; only files in the data's folder are read")
    # Windows separators and drives count too, so that a table means the same everywhere.
    if _ABSOLUTE.match(written) or "\x00" in written or ".." in re.split(r"[/\\]", written):
        raise MediaError("the path leads out of the data's folder")
    path, mode = os.fspath(folder), 0
    try:
        for part in written.replace(os.sep, "/").split("/"):
            path = os.path.join(path, part)
            mode = os.lstat(path).st_mode
            if stat.S_ISLNK(mode):
                raise MediaError("the path goes through a link, which may lead out of the data's folder")
    except (OSError, ValueError):  # a lone surrogate is in no name of a file
        raise MediaError("there is no such file in the data's folder") from None
    if not stat.S_ISREG(mode):
        raise MediaError("the path does not name a file")
    return Path(path)


def _open_stream(source: Source, folder: Path | None) -> io.BufferedReader | io.BytesIO:
    """Open a file or bytes for reading, within the size limit."""
    if isinstance(source, Mapping):
        source = source.get("bytes") or source.get("path") or ""
    if isinstance(source, str):
        source = Path(source) if folder is None else locate(source, folder)
    if isinstance(source, bytes):
        _check_size(len(source))
        return io.BytesIO(source)
    if not isinstance(source, Path):
        raise MediaError(f"the cell holds a {type(source).__name__}, neither a path nor bytes")
    try:
        about = source.stat()
        if not stat.S_ISREG(about.st_mode):
            raise MediaError("the path does not name a file")
        _check_size(about.st_size)
        return source.open("rb")
    except (OSError, ValueError) as error:  # a null character in a name is a ValueError
        raise MediaError(f"the file cannot be read ({getattr(error, 'strerror', None) or 'input/output error'})") from None


def _check_size(size: int) -> None:
    if size > (most := in_force().media_megabytes * 1_000_000):
        raise MediaError(f"it has {size:,} bytes, more than {most:,} ({variable('media_megabytes')})")


def _too_long(seconds: int) -> MediaError:
    return MediaError(f"it is longer than {seconds:,} seconds ({variable('sound_seconds')})")


# --- opening the file -------------------------------------------------------------------------------------------


@contextmanager
def _open_image(source: Source, folder: Path | None) -> Iterator[Image.Image]:
    from PIL import Image, UnidentifiedImageError

    most = in_force().pixels
    with _open_stream(source, folder) as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow has its own limit for bombs, and warns of odd palettes
        try:
            with _limit_of_pillow(most), Image.open(stream, formats=_FORMATS) as picture:
                if picture.width * picture.height > most:
                    raise MediaError(f"{picture.width:,} × {picture.height:,} pixels are more than {most:,} ({variable('pixels')})")
                yield picture
        except MediaError:
            raise
        except UnidentifiedImageError:
            raise MediaError(
                "not a readable picture (not PNG, JPEG, WebP, GIF, BMP or TIFF, or with pixels of an unusual kind)"
            ) from None
        except Image.DecompressionBombError:
            raise MediaError(f"it has more than {most:,} pixels ({variable('pixels')})") from None
        except Exception as error:  # decoders raise SyntaxError, struct.error, zlib.error, MemoryError …
            raise MediaError(f"not a readable picture ({_defect(error)})") from None


@contextmanager
def _limit_of_pillow(most: int) -> Iterator[None]:
    """Let Pillow's own limit not be lower than the one that was asked for."""
    from PIL import Image

    before = Image.MAX_IMAGE_PIXELS
    if before is None or before >= most:
        yield
        return
    Image.MAX_IMAGE_PIXELS = most
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


@contextmanager
def _open_sound(source: Source, folder: Path | None) -> Iterator[Any]:
    import soundfile

    most = in_force().sound_seconds
    with _open_stream(source, folder) as stream:
        try:
            with soundfile.SoundFile(stream) as sound:
                if sound.frames > most * sound.samplerate:
                    raise _too_long(most)
                if (samples := sound.frames * sound.channels) > _SAMPLES_A_SECOND * most:
                    raise MediaError(f"its channels have {samples:,} samples, too many ({variable('sound_seconds')})")
                yield sound
        except MediaError:
            raise
        except Exception as error:  # errors of libsndfile, and of Python where a header is broken
            raise MediaError(f"not a readable sound ({_defect(error)})") from None


def _defect(error: Exception) -> str:
    """Return a word for a decoder's error; its own message may quote the file."""
    message = str(error).lower()
    if "truncated" in message or isinstance(error, EOFError):
        return "truncated"
    return "unknown format" if "format not recognised" in message else "damaged"


def _on_white(rgba: Image.Image) -> Image.Image:
    from PIL import Image

    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
