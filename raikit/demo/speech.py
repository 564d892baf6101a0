"""Spoken names: espeak-ng through its C interface, with 8 English accents × 20 voices, in 1 to 2 ms per phrase."""

from __future__ import annotations

import ctypes
import wave
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from raikit.demo.people import Activity
from raikit.errors import ConfigError
from raikit.files import atomic

ACCENTS = {
    "US": "gmw/en-US", "New York": "gmw/en-US-nyc", "British": "gmw/en", "Received Pronunciation": "gmw/en-GB-x-rp",
    "Scotland": "gmw/en-GB-scotland", "West Midlands": "gmw/en-GB-x-gbcwmd", "Lancaster": "gmw/en-GB-x-gbclan",
    "Caribbean": "gmw/en-029",
}
# Voices that declare a sex, speak at the same speed, and have the same samples in every process. The samples of f2, f3,
# f5, Alicia, Demonic, sandro, victor, whisper and whisperf differ; Andrea, anika, Andy and m8 are slower or faster.
VOICES = {
    "female": ("f1", "f4", "Annie", "belinda", "linda", "steph", "steph2", "steph3", "aunty", "grandma"),
    "male": ("m1", "m2", "m3", "m4", "m5", "m6", "m7", "Denis", "Hugo", "travis"),
}
SEX = {voice: sex for sex, voices in VOICES.items() for voice in voices}

_SYNCHRONOUS, _DONT_EXIT, _UTF8 = 2, 0x8000, 1
_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


@dataclass(frozen=True, order=True)
class Phrase:
    """A name that is spoken by a voice in an accent."""

    slug: str
    spoken: str
    voice: str
    accent: str

    @classmethod
    def of(cls, activity: Activity, voice: str, accent: str) -> Phrase:
        """Return the phrase for the name of an activity."""
        return cls(activity.slug, activity.spoken, voice, accent)

    @property
    def path(self) -> str:
        """Path of the WAV file, relative to the folder of the data."""
        return f"speech/{self.slug}-{self.accent.lower().replace(' ', '-')}-{self.voice}.wav"


class Synthesiser:
    """The speech synthesiser espeak-ng; there is one per process, and it is not thread-safe."""

    def __init__(self) -> None:
        import espeakng_loader

        self._espeak = ctypes.CDLL(espeakng_loader.get_library_path())
        data = str(espeakng_loader.get_data_path()).encode()
        self.rate = int(self._espeak.espeak_Initialize(_SYNCHRONOUS, 0, data, _DONT_EXIT))
        if self.rate <= 0:
            raise ConfigError("espeak-ng did not start; try `pip install --force-reinstall espeakng-loader`.")
        self._parts: list[bytes] = []
        self._callback = _Callback(self._receive)  # C holds no reference to it
        self._espeak.espeak_SetSynthCallback(self._callback)

    def _receive(self, samples: ctypes._Pointer[ctypes.c_short], count: int, _events: int) -> int:
        if samples and count > 0:
            self._parts.append(ctypes.string_at(samples, 2 * count))
        return 0

    def say(self, phrase: Phrase) -> bytes:
        """Return the 16-bit samples of a phrase."""
        voice = f"{ACCENTS[phrase.accent]}+{phrase.voice}"
        if self._espeak.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ConfigError(f"espeak-ng has no voice {voice!r}; install espeakng-loader 0.2.4.")
        self._parts.clear()
        text = phrase.spoken.encode() + b"\0"
        self._espeak.espeak_Synth(text, len(text), 0, 0, 0, _UTF8, None, None)
        self._espeak.espeak_Synchronize()
        return b"".join(self._parts)


def write(phrases: Sequence[Phrase], folder: Path, progress: Callable[[int], None]) -> None:
    """Write each phrase once as a WAV file; call ``progress(number)`` after each."""
    # The order is fixed, because a few samples of espeak-ng depend on the phrase before.
    synthesiser = Synthesiser()
    for number, phrase in enumerate(sorted(set(phrases))):
        samples = synthesiser.say(phrase)
        with atomic(folder / phrase.path) as temporary, wave.open(str(temporary), "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(synthesiser.rate)
            sound.writeframes(samples)
        progress(number + 1)
