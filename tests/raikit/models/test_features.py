"""Raw inputs become arrays of one size, by rules that are fixed in advance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import resample_poly

from raikit.data.batch import Audio
from raikit.models import features

RATE = 22_050


def tone(frequency=440.0, rate=RATE, seconds=0.6, level=0.5):
    time = np.arange(int(rate * seconds)) / rate
    return Audio((level * np.sin(2 * np.pi * frequency * time)).astype(np.float32), rate)


def spectrogram(sound):
    return features.spectrograms([sound], rate=RATE, mels=40, frames=64, hop=384)[0, 0]


def test_words_fall_into_the_same_buckets_on_every_machine():
    assert features.word_ids(["Künstler am Werk", None, ""], 4, 4096).tolist() == [
        [1829, 2512, 2900, 0],
        [0, 0, 0, 0],
        [0, 0, 0, 0],
    ]


def test_characters_of_scripts_without_spaces_are_words_of_their_own():
    assert features.split_words("自転車 に乗る人", 10) == ["自", "転", "車", "に", "乗", "る", "人"]


@given(st.text(max_size=60), st.integers(1, 8))
def test_any_text_gives_ids_within_the_vocabulary(text, limit):
    ids = features.word_ids([text], limit, 50)
    assert ids.shape == (1, limit)
    assert ids.min() >= 0
    assert ids.max() < 50
    assert (ids > 0).sum() == len(features.split_words(text, limit))


def test_pictures_of_any_size_become_one_size_and_a_missing_one_is_mid_grey():
    white, black = np.full((72, 30, 3), 255, np.uint8), np.zeros((5, 7, 3), np.uint8)
    resized = features.pixels([white, black, None], 48)
    assert resized.shape == (3, 3, 48, 48)
    assert resized.dtype == np.float32
    assert [resized[row].min() for row in range(3)] == [1, -1, 0]
    assert [resized[row].max() for row in range(3)] == [1, -1, 0]


def test_a_tone_lands_in_the_filter_of_its_pitch():
    low, high = (spectrogram(tone(frequency))[:, :30].mean(axis=1).argmax() for frequency in (300, 3000))
    mel = [2595 * np.log10(1 + frequency / 700) for frequency in (300, 3000, RATE / 2)]
    expected = [value / mel[2] * 41 - 1 for value in mel[:2]]
    assert [low, high] == pytest.approx(expected, abs=1)


def test_the_level_of_a_recording_changes_nothing():
    np.testing.assert_allclose(spectrogram(tone(level=0.9)), spectrogram(tone(level=0.01)), atol=1e-3)


def test_a_recording_at_another_rate_gives_nearly_the_same_spectrogram():
    rng = np.random.default_rng(0)
    samples = rng.normal(size=22_050).astype(np.float32)
    slow = resample_poly(samples, 1, 2).astype(np.float32)
    back = spectrogram(Audio(slow, RATE // 2))
    low = slice(0, 24)  # filters below the lower rate's limit
    # measured against another loudest point: so many decibels apart everywhere, and otherwise alike
    apart = (spectrogram(Audio(samples, RATE)) - back)[low, 2:55]
    assert apart.std() < 0.05


@pytest.mark.parametrize("sound", [None, Audio(np.zeros(3000, np.float32), RATE), Audio(np.zeros(0, np.float32), RATE)])
def test_silence_and_nothing_are_zero(sound):
    assert not spectrogram(sound).any()


def test_long_and_short_sounds_are_cut_and_padded():
    assert spectrogram(tone(seconds=9)).shape == (40, 64)
    short = spectrogram(tone(seconds=0.2))
    assert short[:, :10].max() == pytest.approx(3, abs=0.01)
    assert short[:, 20:] == pytest.approx(0, abs=1e-6)  # processors differ in the last bit of a logarithm
