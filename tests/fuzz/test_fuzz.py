"""Thousands of broken inputs at every entry point; ``RAIKIT_FUZZ=100000`` tries as many in all, ``RAIKIT_FUZZ_SEED`` others."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from random import Random

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # helpers of these tests

import loaders  # noqa: F401 - registers its targets
from oracle import empty_folder
from samples import Samples
from targets import TARGETS

_IN_ALL = sum(cases for _, cases in TARGETS.values())
_WANTED = int(os.environ.get("RAIKIT_FUZZ", "0")) or _IN_ALL
_SEED = int(os.environ.get("RAIKIT_FUZZ_SEED", "1"))
_SHOWN = 5


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """Return valid inputs, which are made when they are first needed."""
    return Samples(tmp_path_factory.mktemp("samples"))


@pytest.mark.parametrize("name", TARGETS)
def test_every_input_ends_in_a_sentence(name, samples, tmp_path):
    target, cases = TARGETS[name]
    problems = []
    for case in range(max(1, round(cases * _WANTED / _IN_ALL))):
        with empty_folder(tmp_path) as folder:
            if (problem := target(Random(f"{name} {_SEED} {case}"), folder, samples)) is not None:
                problems.append(f"case {case}: {problem}")
    assert not problems, f"{len(problems)} problems\n" + "\n\n".join(problems[:_SHOWN])
