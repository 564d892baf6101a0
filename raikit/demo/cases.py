"""The table of cases: the picture that is shown, the query, how it is made and by which voice."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from raikit.demo.people import LANGUAGES, TONES, Activity
from raikit.demo.pictures import Picture
from raikit.demo.speech import ACCENTS, SEX, VOICES, Phrase

# The share of each tone's drawings that is for training, a stated choice: "collected in one country, from
# yellow-to-medium drawings". Everything else is for test; two tones and seven accents are absent from training.
TRAINING_SHARE = {"yellow": 0.6, "light": 0.6, "medium-light": 0.6, "medium": 0.15, "medium-dark": 0.0, "dark": 0.0}
TRAINING_ACCENTS = ("US",)
TRAINING_VOICES = 4  # of each sex
VALIDATION_SHARE = 0.1  # of the training pictures

NO_TEXT = 0.3
MUTE = 0.3  # of the cases with text; a case with neither text nor speech would have no query
LANGUAGES_UP_TO = (0.7, 0.8, 0.9, 1.0)  # English 0.7, each other language 0.1
SAME_KIND = 0.7  # of the wrong queries

Choice = TypeVar("Choice")


@dataclass(frozen=True)
class SplitSource:
    """The pictures, voices and accents that the cases of one split are drawn from."""

    split: str
    pictures: Sequence[Picture]
    voices: Sequence[str]
    accents: Sequence[str]
    rows: int


def divide(pictures: Sequence[Picture], rows: tuple[int, int], rng: np.random.Generator) -> list[SplitSource]:
    """Divide pictures and voices among train, validation and test; `rows` are the cases of train and test, nearly."""
    training, test = _divide_pictures(pictures, rng)
    training = [training[index] for index in rng.permutation(len(training))]
    validation = round(VALIDATION_SHARE * len(training))
    training_voices = [str(voice) for sex in VOICES.values() for voice in rng.permutation(sex)[:TRAINING_VOICES]]
    test_voices = [voice for voice in SEX if voice not in training_voices]
    per_picture = rows[0] / (len(training) - validation)
    return [
        SplitSource("train", training[validation:], training_voices, TRAINING_ACCENTS, rows[0]),
        SplitSource(
            "validation", training[:validation], training_voices, TRAINING_ACCENTS, round(per_picture * validation)
        ),
        SplitSource("test", test, test_voices, tuple(ACCENTS), rows[1]),
    ]


def _divide_pictures(pictures: Sequence[Picture], rng: np.random.Generator) -> tuple[list[Picture], list[Picture]]:
    """Return the pictures for training and for test."""
    training: list[Picture] = []
    test: list[Picture] = []
    for tone in TONES:
        of_tone = [picture for picture in pictures if picture.tone == tone]
        order = rng.permutation(len(of_tone))
        count = round(TRAINING_SHARE[tone] * len(of_tone))
        training += [of_tone[index] for index in order[:count]]
        test += [of_tone[index] for index in order[count:]]
    return training, test


def make_table(
    sources: Sequence[SplitSource], activities: Sequence[Activity], rng: np.random.Generator
) -> tuple[pd.DataFrame, list[Phrase]]:
    """Make all cases; return the table and every phrase that is spoken.

    Every picture of a split occurs equally often, in half of its cases with the right query.
    """
    rows: list[dict[str, Any]] = []
    phrases: list[Phrase] = []
    for source in sources:
        for picture in source.pictures:
            for _ in range(max(1, round(source.rows / len(source.pictures) / 2))):
                for asked in (picture.activity, _wrong_activity(picture.activity, activities, rng)):
                    phrase = Phrase.of(asked, _choose(source.voices, rng), _choose(source.accents, rng))
                    row = _make_row(source.split, picture, asked, phrase, rng)
                    rows.append(row)
                    if row["audio"] is not None:
                        phrases.append(phrase)
    frame = pd.DataFrame(rows)
    frame.insert(0, "case", [f"case-{number:05d}" for number in range(len(frame))])
    return frame, phrases


def _wrong_activity(right: Activity, activities: Sequence[Activity], rng: np.random.Generator) -> Activity:
    same_kind = rng.random() < SAME_KIND
    candidates = [other for other in activities if other is not right and (other.kind == right.kind) == same_kind]
    return _choose(candidates, rng)


def _choose(choices: Sequence[Choice], rng: np.random.Generator) -> Choice:
    """Choose one at random; `rng.choice` would convert the choices to an array each time."""
    return choices[int(rng.integers(len(choices)))]


def _make_row(
    split: str, picture: Picture, asked: Activity, phrase: Phrase, rng: np.random.Generator
) -> dict[str, Any]:
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
