"""The speech detector silero-vad behind a class of 15 lines, on synthetic speech, whispers and noise."""

import numpy as np
import pandas as pd
import pytest

RATE = 16_000
DETECTOR = '''
from pathlib import Path

import numpy as np
import raikit
from silero_vad import sequence_vad


class Detector(raikit.Model):
    kind = "silero-vad"

    def __init__(self, data):
        self.classes, self.modalities = data.classes, {"sound": "audio"}
        folder = Path(sequence_vad.__file__).parent / "data"
        self._network = sequence_vad.SileroVADSequence(folder / "silero_vad_16k_sequence.onnx")

    def scores(self, batch):
        loudest = [self._network.audio_forward(sound.samples).max() for sound in batch.inputs["sound"]]
        return np.stack([1 - np.array(loudest), loudest], axis=1)
'''


def sounds(folder):
    """Write phrases by voices that speak and that whisper, and as many noises; return a table of them."""
    import soundfile
    from scipy.signal import resample_poly

    from raikit.demo import people, speech

    rng, synthesiser, rows = np.random.default_rng(0), speech.Synthesiser(), []
    voices = dict.fromkeys((*speech.VOICES["female"][:4], *speech.VOICES["male"][:4]), "spoken")
    voices |= dict.fromkeys(["whisper", "whisperf"], "whispered")
    (folder / "sounds").mkdir()

    def write(samples, **facts):
        level = rng.choice(["quiet", "loud"])
        peak = {"quiet": 0.03, "loud": 0.5}[level] / max(np.abs(samples).max(), 1e-9)
        name = f"sounds/{len(rows)}.wav"
        soundfile.write(folder / name, np.clip(samples * peak + rng.normal(0, 0.002, len(samples)), -1, 1), RATE)
        rows.append({"sound": name, "level": level, **facts})

    for activity in people.activities():
        for voice, way in voices.items():
            if way == "whispered" or rng.random() < 0.3:
                said = np.frombuffer(synthesiser.say(speech.Phrase.of(activity, voice, "US")), np.int16) / 32768
                write(resample_poly(said, 320, 441), voice=way, speaker=voice, speech="yes")
    for number in range(len(rows)):
        time = np.arange(RATE) / RATE
        noise = [rng.normal(size=RATE), np.sin(2 * np.pi * rng.uniform(80, 2000) * time), np.cumsum(rng.normal(size=RATE)) * 0.01]
        write(noise[number % 3], voice="none", speaker=f"noise {number}", speech="no")
    return pd.DataFrame(rows)


@pytest.mark.long
def test_the_speech_detector_is_audited_and_misses_whispers(audited, package, tmp_path):
    package("silero_vad", "silero-vad")
    package("espeakng_loader", "espeakng-loader==0.2.4")
    sounds(tmp_path).to_csv(tmp_path / "sounds.csv", index=False)
    (tmp_path / "detector.py").write_text(DETECTOR)
    run = audited(
        {
            "name": "Speech or noise, silero-vad",
            "data": {
                "path": "sounds.csv", "target": "speech", "positive": "yes", "sensitive": ["voice", "level"], "unit": "sound",
                "inputs": {"sound": {"modality": "audio"}},
            },
            "model": {"load": {"kind": "torch", "path": "detector:Detector"}},
            "checks": {"performance": {}, "fairness": {}, "explainability": {}, "privacy": {}},
        }
    )  # fmt: skip
    assert run.metrics["performance.accuracy"]["value"] > 0.6
    findings = [finding for check in run.record["checks"] for finding in check["findings"]]
    assert any((finding["worse"] or {}).get("group") == {"voice": "whispered"} for finding in findings)
