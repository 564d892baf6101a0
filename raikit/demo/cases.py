"""The table: which picture is shown, what is asked, how and by whom."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from raikit.demo.people import LANGUAGES, TONES, Activity
from raikit.demo.pictures import Picture
from raikit.demo.speech import ACCENTS, SEX, VOICES, Phrase

if TYPE_CHECKING:
    import pandas as pd

# The share of each tone's drawings that training may see. A stated choice: "collected in one country, from
# yellow-to-medium drawings". Everything else is tested; two tones and seven accents are absent from training.
TRAINING_SHARE = {"yellow": 0.6, "light": 0.6, "medium-light": 0.6, "medium": 0.15, "medium-dark": 0.0, "dark": 0.0}
TRAINING_ACCENTS = ("US",)
TRAINING_VOICES = 4  # of each sex
VALIDATION_SHARE = 0.1  # of the training pictures, whole ones

NO_TEXT = 0.3
MUTE = 0.3  # of the rows that have text: a row with neither would have no answer
LANGUAGES_UP_TO = (0.7, 0.8, 0.9, 1.0)  # English 0.7, each other language 0.1
SAME_KIND = 0.7  # of the wrong queries

Drawn = TypeVar("Drawn")


@dataclass(frozen=True)
class Part:
    """What one split is drawn from."""

    split: str
    pictures: Sequence[Picture]
    voices: Sequence[str]
    accents: Sequence[str]
    rows: int


def parts(pictures: Sequence[Picture], rows: tuple[int, int], rng: np.random.Generator) -> list[Part]:
    """Divide pictures and voices among train, validation and test; `rows` are train's and test's, nearly."""
    training, tested = _divide(pictures, rng)
    training = [training[index] for index in rng.permutation(len(training))]
    held = round(VALIDATION_SHARE * len(training))
    heard = [str(voice) for sex in VOICES.values() for voice in rng.permutation(sex)[:TRAINING_VOICES]]
    unheard = [voice for voice in SEX if voice not in heard]
    each = rows[0] / (len(training) - held)
    return [
        Part("train", training[held:], heard, TRAINING_ACCENTS, rows[0]),
        Part("validation", training[:held], heard, TRAINING_ACCENTS, round(each * held)),
        Part("test", tested, unheard, tuple(ACCENTS), rows[1]),
    ]


def _divide(pictures: Sequence[Picture], rng: np.random.Generator) -> tuple[list[Picture], list[Picture]]:
    training: list[Picture] = []
    tested: list[Picture] = []
    for tone in TONES:
        drawn = [picture for picture in pictures if picture.tone == tone]
        order = rng.permutation(len(drawn))
        seen = round(TRAINING_SHARE[tone] * len(drawn))
        training += [drawn[index] for index in order[:seen]]
        tested += [drawn[index] for index in order[seen:]]
    return training, tested


def table(parts: Sequence[Part], activities: Sequence[Activity], rng: np.random.Generator,
          ) -> tuple[pd.DataFrame, list[Phrase]]:
    """All rows, and every phrase that is spoken in them.

    Every picture of a part stands in equally many rows, in half of them with the right query.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    phrases: list[Phrase] = []
    for part in parts:
        for picture in part.pictures:
            for _ in range(max(1, round(part.rows / len(part.pictures) / 2))):
                for asked in (picture.activity, _wrong(picture.activity, activities, rng)):
                    phrase = Phrase.of(asked, _one(part.voices, rng), _one(part.accents, rng))
                    row = _row(part.split, picture, asked, phrase, rng)
                    rows.append(row)
                    if row["audio"] is not None:
                        phrases.append(phrase)
    frame = pd.DataFrame(rows)
    frame.insert(0, "case", [f"case-{number:05d}" for number in range(len(frame))])
    return frame, phrases


def _wrong(right: Activity, activities: Sequence[Activity], rng: np.random.Generator) -> Activity:
    same = rng.random() < SAME_KIND
    return _one([other for other in activities if other is not right and (other.kind == right.kind) == same], rng)


def _one(choices: Sequence[Drawn], rng: np.random.Generator) -> Drawn:
    """As `rng.choice`, which makes an array of the choices each time."""
    return choices[int(rng.integers(len(choices)))]


def _row(split: str, picture: Picture, asked: Activity, phrase: Phrase, rng: np.random.Generator) -> dict[str, Any]:
    language = LANGUAGES[bisect(LANGUAGES_UP_TO, rng.random())]
    typed = rng.random() >= NO_TEXT
    spoken = not typed or rng.random() >= MUTE
    return {
        "image": picture.path,
        "text": asked.names[language] if typed else None,
        "audio": phrase.path if spoken else None,
        "vendor": picture.vendor,
        "unicode_version": picture.unicode_version,
        "code_points": len(picture.sequence),
        "kind": picture.activity.kind,
        "match": int(asked.key == picture.activity.key),
        "split": split,
        "skin_tone": picture.tone,
        "depicted_gender": picture.gender,
        "speaker_sex": SEX[phrase.voice] if spoken else None,
        "accent": phrase.accent if spoken else None,
        "picture": picture.name,
        "speaker": phrase.voice if spoken else None,
        "shown": picture.activity.key,
        "asked": asked.key,
        "language": language if typed else None,
    }
