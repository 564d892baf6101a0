"""The 57 activities and occupations that both vendors draw for every depicted gender and skin tone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

GENDERS = ("person", "woman", "man")
# The modifiers of Unicode; "yellow" is the drawing without one.
TONES = {"yellow": "", "light": "\U0001f3fb", "medium-light": "\U0001f3fc", "medium": "\U0001f3fd",
         "medium-dark": "\U0001f3fe", "dark": "\U0001f3ff"}
LANGUAGES = ("en", "es", "fr", "de")

# Of 63, six are left out: frowning and pouting (nearly the same picture), standing, turban, veil, tuxedo.
KINDS = {
    "role": (
        "artist", "astronaut", "construction_worker", "cook", "factory_worker", "farmer", "firefighter", "guard",
        "health_worker", "judge", "mechanic", "office_worker", "pilot", "police_officer", "scientist", "singer",
        "student", "teacher", "technologist",
    ),
    "sport": (
        "person_biking", "person_cartwheeling", "person_climbing", "person_juggling", "person_mountain_biking",
        "person_playing_handball", "person_playing_water_polo", "person_rowing_boat", "person_running",
        "person_surfing", "person_swimming", "person_walking",
    ),
    "gesture": (
        "deaf_person", "person_bowing", "person_facepalming", "person_gesturing_NO", "person_gesturing_OK",
        "person_raising_hand", "person_shrugging", "person_tipping_hand",
    ),
    "fantasy": ("elf", "fairy", "mage", "merperson", "superhero", "supervillain", "vampire"),
    "other": (
        "person_beard", "person_blond_hair", "person_feeding_baby", "person_getting_haircut", "person_getting_massage",
        "person_in_lotus_position", "person_in_manual_wheelchair", "person_in_motorized_wheelchair",
        "person_in_steamy_room", "person_kneeling", "person_with_white_cane",
    ),
}

_JOINER, _EMOJI_STYLE = "\u200d", "\ufe0f"
_PEOPLE = {"person": "\U0001f9d1", "woman": "\U0001f469", "man": "\U0001f468"}
_SIGNS = {"person": "", "woman": "\u2640", "man": "\u2642"}


@dataclass(frozen=True)
class Activity:
    """A role or an activity of a person.

    Attributes
    ----------
    names : mapping of language to the name of its "person" form
    emoji : str
        The "person" form without a skin tone.
    """

    key: str
    kind: str
    emoji: str
    names: dict[str, str]

    @property
    def slug(self) -> str:
        """The key in lower case, for file names."""
        return self.key.lower()

    @cached_property
    def spoken(self) -> str:
        """The English name, as it is spoken."""
        return self.names["en"].lower()

    def sequence(self, gender: str, tone: str) -> str:
        """Return the emoji of this activity for a depicted gender and a skin tone."""
        if self.emoji.startswith(_PEOPLE["person"] + _JOINER):  # an occupation: a person and an object
            return _PEOPLE[gender] + TONES[tone] + self.emoji[1:]
        sign = f"{_JOINER}{_SIGNS[gender]}{_EMOJI_STYLE}" if _SIGNS[gender] else ""
        return self.emoji + TONES[tone] + sign


def activities() -> list[Activity]:
    """Return all activities, in the order of `KINDS`."""
    import emoji

    for language in LANGUAGES:
        emoji.config.load_language(language)
    kinds = {f":{key}:": kind for kind, keys in KINDS.items() for key in keys}
    by_name = {
        entry["en"]: Activity(entry["en"].strip(":"), kinds[entry["en"]], sequence,
                              {language: readable(entry[language]) for language in LANGUAGES})
        for sequence, entry in emoji.EMOJI_DATA.items()
        if entry["en"] in kinds and entry["status"] == emoji.STATUS["fully_qualified"]
    }
    return [by_name[name] for name in kinds]


def readable(name: str) -> str:
    """Write the short name of an emoji as a person would type it.

    Examples
    --------
    >>> readable(":cuisinier_(tous_genres):")
    'cuisinier'
    """
    return re.sub(r"\(.*?\)", "", name.strip(":").replace("_", " ")).strip()


def unicode_version(sequence: str) -> float:
    """Return the version of Unicode Emoji that introduced this sequence."""
    import emoji

    return float(emoji.EMOJI_DATA[sequence]["E"])


def looks() -> Iterator[tuple[str, str]]:
    """Return every depicted gender with every skin tone."""
    return ((gender, tone) for gender in GENDERS for tone in TONES)
