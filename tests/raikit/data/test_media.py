"""Tests of `raikit.data.media`, and of the cache of decoded media in `raikit.data.cache`."""

from __future__ import annotations

import io
import struct
import zlib
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from raikit.data.cache import MediaCache
from raikit.data.media import MediaError, check_audio_header, check_image_header, decode_audio, decode_image, locate


def saved(picture, kind="PNG", **options):
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


# --- pictures ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_the_six_formats_become_rows_of_red_green_and_blue(png, kind):
    picture = decode_image(png((200, 30, 30), (5, 3), kind=kind))
    assert (picture.shape, picture.dtype) == ((3, 5, 3), np.uint8)
    assert np.abs(picture.astype(int) - [200, 30, 30]).max() < 12


@pytest.mark.parametrize(
    ("mode", "colour", "seen"),
    [
        ("L", 100, [100, 100, 100]),
        ("1", 1, [255, 255, 255]),
        ("LA", (0, 0), [255, 255, 255]),
        ("RGBA", (0, 0, 0, 0), [255, 255, 255]),
        ("RGBA", (0, 0, 0, 255), [0, 0, 0]),
        ("I;16", 51_400, [200, 200, 200]),
    ],
)
def test_every_kind_of_pixel_becomes_a_colour_on_white(png, mode, colour, seen):
    assert decode_image(png(colour, mode=mode))[0, 0].tolist() == seen


def test_pixels_of_floating_point_count_from_black_to_white():
    pixels = np.array([[0.0, 0.25], [0.5, 1.0]], dtype=np.float32)
    assert decode_image(saved(Image.fromarray(pixels), "TIFF"))[:, :, 0].tolist() == [[0, 64], [128, 255]]
    assert decode_image(saved(Image.fromarray((pixels * 65_535).astype(np.uint16))))[:, :, 2].tolist() == [[0, 63], [127, 255]]


@pytest.mark.parametrize(
    ("pixels", "says"),
    [
        (np.array([[0, 70_000]], dtype=np.int32), "32-bit integers, whose range is not known"),
        (np.array([[0, 200]], dtype=np.int32), "32-bit integers"),
        (np.array([[0, 812.5]], dtype=np.float32), r"floats from 0 to 812\.5, not 0 to 1"),
        (np.array([[-0.5, 1]], dtype=np.float32), r"floats from -0\.5 to 1"),
        (np.array([[np.nan, 1]], dtype=np.float32), "floats from"),
    ],
)
def test_pixels_whose_range_is_not_known_are_refused(pixels, says):
    with pytest.raises(MediaError, match=says):
        decode_image(saved(Image.fromarray(pixels), "TIFF"))


@pytest.mark.parametrize("mode", ["CMYK", "LAB", "YCbCr"])
def test_white_is_white_in_every_colour_space(mode):
    white = {"CMYK": (0, 0, 0, 0), "LAB": (255, 128, 128), "YCbCr": (255, 128, 128)}[mode]
    assert decode_image(saved(Image.new(mode, (2, 2), white), "TIFF")).min() >= 250


def test_a_transparent_palette_lies_on_white():
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 200, 100, 50])
    palette.putdata([0, 1])
    picture = decode_image(saved(palette, transparency=0))
    assert picture[0].tolist() == [[255, 255, 255], [200, 100, 50]]


def test_a_photo_that_was_taken_sideways_stands_upright():
    photo = Image.new("RGB", (40, 20), (0, 0, 0))
    photo.paste((255, 255, 255), (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    upright = decode_image(saved(photo, "JPEG", exif=exif, quality=95))
    assert upright.shape == (40, 20, 3)
    assert upright[:15].min() > 200
    assert upright[25:].max() < 50


def test_of_a_moving_picture_the_first_frame_is_seen():
    frames = [Image.new("RGB", (2, 2), colour) for colour in ((255, 0, 0), (0, 0, 255))]
    assert decode_image(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]))[0, 0].tolist() == [255, 0, 0]


def bomb(width, height):
    """A PNG whose header promises pixels that are not there: whoever decodes first, asks for the memory first."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("size", "says"), [((8001, 8000), "8,001 × 8,000 pixels are more than 64,000,000"), ((60_000, 60_000), "pixels")]
)
@pytest.mark.parametrize("read", [decode_image, check_image_header])
def test_a_bomb_is_refused_by_its_header(read, size, says):
    with pytest.raises(MediaError, match=says):
        read(bomb(*size))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not PNG"),
        (b"GIF?not at all", "not PNG"),
        (b"%PDF-1.4", "not PNG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not PNG"),
    ],
)
def test_what_is_no_picture_says_so(content, says):
    with pytest.raises(MediaError, match=says):
        check_image_header(content)


def test_a_picture_that_ends_early_is_truncated(png):
    whole = saved(Image.effect_noise((64, 64), 50), "PNG")
    check_image_header(whole[: len(whole) // 2])
    with pytest.raises(MediaError, match=r"not a readable picture \(truncated\)"):
        decode_image(whole[: len(whole) // 2])


def test_a_broken_picture_of_any_kind_is_a_media_error_and_nothing_else():
    rng = np.random.default_rng(0)
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"):
        whole = saved(Image.effect_noise((32, 32), 50).convert("RGB"), kind)
        for _ in range(25):
            broken = bytearray(whole)
            for place in rng.integers(0, len(whole), 6):
                broken[place] = rng.integers(0, 256)
            with suppress(MediaError):
                assert decode_image(bytes(broken)).ndim == 3


# --- sounds -----------------------------------------------------------------------------------------------------


def test_a_sound_is_the_mean_of_its_channels(wav):
    sound = decode_audio(wav(np.stack([np.full(100_000, 0.5), np.full(100_000, -0.25)], axis=1), rate=16_000))
    assert sound.rate == 16_000
    assert (sound.samples.dtype, sound.samples.shape) == (np.float32, (100_000,))
    assert np.allclose(sound.samples, 0.125)


@pytest.mark.parametrize(("kind", "subtype"), [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS")])
def test_usual_formats_are_read(wav, kind, subtype):
    tone = 0.5 * np.sin(np.arange(8000) / 8)
    sound = decode_audio(wav(tone, kind=kind, subtype=subtype))
    assert np.abs(sound.samples[1000:7000] - tone[1000:7000]).max() < 0.15


def test_samples_on_another_scale_are_refused(wav):
    with pytest.raises(MediaError, match="its samples reach 1,200, where a sound lies between -1 and 1"):
        decode_audio(wav([0.0, 1200.0, -3.0], subtype="FLOAT"))


def test_samples_beyond_full_scale_are_clipped(wav):
    assert decode_audio(wav([2.0, -1.5, 0.5])).samples.tolist() == [1.0, -1.0, 0.5]


@pytest.mark.parametrize(
    ("samples", "says"),
    [([], "it is empty"), ([0.0, np.nan], "samples are NaN or infinite"), ([np.inf], "samples are NaN or infinite")],
)
def test_a_sound_without_usable_samples_says_so(wav, samples, says):
    with pytest.raises(MediaError, match=says):
        decode_audio(wav(samples))


@pytest.mark.parametrize("read", [decode_audio, check_audio_header])
def test_a_sound_longer_than_ten_minutes_is_refused_by_its_header(wav, read):
    long = wav(np.zeros(601 * 100), rate=100, subtype="PCM_U8")
    with pytest.raises(MediaError, match="longer than 600 seconds"):
        read(long)


def test_what_is_no_sound_says_so():
    with pytest.raises(MediaError, match=r"not a readable sound \(unknown format\)"):
        check_audio_header(b"not a sound at all")


# --- where they lie ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["bytes", "path", "name", "mapping of bytes", "mapping of path"])
def test_a_cell_may_be_a_path_bytes_or_a_mapping_of_them(png, write, tmp_path, kind):
    content = png((1, 2, 3))
    path = write("a.png", content)
    cell = {
        "bytes": content,
        "path": path,
        "name": "a.png",
        "mapping of bytes": {"bytes": content, "path": "nowhere.png"},
        "mapping of path": {"bytes": None, "path": "a.png"},
    }[kind]
    assert decode_image(cell, tmp_path)[0, 0].tolist() == [1, 2, 3]


def test_a_trusted_path_needs_no_folder(png, write):
    assert decode_image(str(write("a.png", png((1, 2, 3)))))[0, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("../outside.png", "leads out of the data's folder"),
        ("inside/../../outside.png", "leads out of the data's folder"),
        ("inside\\..\\..\\outside.png", "leads out of the data's folder"),
        ("/etc/passwd", "leads out of the data's folder"),
        ("C:\\boot.ini", "leads out of the data's folder"),
        ("\\\\server\\share\\a.png", "leads out of the data's folder"),
        ("a.png\x00.txt", "leads out of the data's folder"),
        ("file:///etc/passwd", "web address"),
        ("https://example.org/a.png", "web address"),
        ("link.png", "goes through a link"),
        ("linked/a.png", "goes through a link"),
        ("dangling.png", "goes through a link"),
        ("nowhere.png", "no such file"),
        ("x" * 5000, "no such file"),
        ("inside", "does not name a file"),
        (".", "does not name a file"),
        ("pipe", "does not name a file"),
    ],
)
def test_a_path_that_must_not_be_followed_is_refused(tmp_path, png, written, says):
    import os

    folder = tmp_path / "data"
    (folder / "inside").mkdir(parents=True)
    for path in (tmp_path / "outside.png", folder / "a.png", folder / "inside" / "a.png"):
        path.write_bytes(png())
    (folder / "link.png").symlink_to(folder / "a.png")
    (folder / "linked").symlink_to(folder / "inside")
    (folder / "dangling.png").symlink_to("nothing")
    os.mkfifo(folder / "pipe")
    assert locate("inside/a.png", folder) == folder / "inside" / "a.png"
    with pytest.raises(MediaError, match=says) as caught:
        locate(written, folder)
    assert written[:40] not in str(caught.value) or written in (".", "inside", "pipe")


def test_the_data_folder_itself_may_be_reached_through_a_link(tmp_path, png):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.png").write_bytes(png())
    (tmp_path / "alias").symlink_to(tmp_path / "real")
    assert locate("a.png", tmp_path / "alias").name == "a.png"


def test_a_file_that_is_too_large_is_not_read(png, write, tmp_path, monkeypatch):
    large = png() + b"x" * 1_000_000
    write("a.png", large)
    monkeypatch.setenv("RAIKIT_MAX_MEDIA_MEGABYTES", "1")
    for cell in ("a.png", large):
        with pytest.raises(MediaError, match="bytes, more than 1,000,000"):
            decode_image(cell, tmp_path)


def test_a_cell_of_another_kind_says_what_it_is():
    with pytest.raises(MediaError, match="the cell holds a int"):
        decode_image(3)  # type: ignore[arg-type]


# --- the cache --------------------------------------------------------------------------------------------------


def test_what_is_asked_for_again_is_the_same_array_and_cannot_be_written(png, wav, write, tmp_path):
    write("a.png", png())
    write("a.wav", wav([0.5] * 10))
    cache = MediaCache(tmp_path)
    picture, sound = cache.get("image", "a.png"), cache.get("audio", "a.wav")
    assert cache.get("image", "a.png") is picture
    assert cache.get("audio", "a.wav") is sound
    for array in (picture, sound.samples):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_the_least_recently_used_goes_first_when_memory_is_spent(png, write, tmp_path):
    for name in "abc":
        write(f"{name}.png", png(size=(10, 10)))
    cache = MediaCache(tmp_path, max_bytes=650)  # two pictures of 300 bytes
    a, b = cache.get("image", "a.png"), cache.get("image", "b.png")
    assert cache.get("image", "a.png") is a
    cache.get("image", "c.png")
    assert cache.bytes == 600
    assert cache.get("image", "a.png") is a
    assert cache.get("image", "b.png") is not b
