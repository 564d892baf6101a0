"""Where a model computes, in which numbers, and how many cases together."""

from pathlib import Path

import numpy as np
import pytest
import torch

from raikit.config.schema import ModelConfig
from raikit.errors import ModelError
from raikit.models.loaders import LOADERS, load
from raikit.models.runtime import choose_device
from raikit.models.scoring import score_all
from raikit.testing import dataset, model

DATA = dataset("multiclass", ["text", "tabular"], rows=90)


def placed(data=DATA, **settings):
    trained = model(data)
    config = ModelConfig(load={"kind": "own"}, **settings)
    return load({"kind": "own"}, data, {**LOADERS, "own": lambda spec, data: trained}, Path.cwd(), config)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError(),
                                   RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")])
def test_batches_are_halved_for_good_where_memory_does_not_suffice(error):
    own, sizes = placed(), []
    expected = score_all(own, DATA, lambda done, total: None)
    scores = own.scores

    def greedy(batch):
        sizes.append(len(batch))
        if len(batch) > 7:
            raise error
        return scores(batch)

    own.scores = greedy
    ids, found = score_all(own, DATA, lambda done, total: None, 64)
    assert ids == expected[0]
    np.testing.assert_allclose(found, expected[1], atol=1e-6)
    assert [size for size in sizes if size > 7] == sorted({size for size in sizes if size > 7}, reverse=True), "each size fails once"


def test_a_case_that_does_not_fit_alone_is_an_error():
    own = placed()
    own.scores = lambda batch: (_ for _ in ()).throw(torch.OutOfMemoryError("no"))
    with pytest.raises(ModelError, match="not enough memory to score one case"):
        score_all(own, DATA, lambda done, total: None, 4)


def test_sixteen_bits_change_scores_a_little_and_are_recorded():
    batch = next(DATA.batches("test", 20))
    exact, coarse = placed().scores(batch), placed(precision="bf16").scores(batch)
    assert 1e-6 < np.abs(exact - coarse).max() < 0.05
    np.testing.assert_allclose(coarse.sum(axis=1), 1, atol=1e-6)


@pytest.mark.long
def test_a_compiled_network_gives_the_same_scores():
    data = dataset("multiclass", ["tabular"], rows=90)  # a small network: a compiler of C++ builds its kernels
    batch = next(data.batches("test", 20))
    exact, compiled = placed(data), placed(data, compile=True)
    torch._dynamo.utils.counters.clear()
    np.testing.assert_allclose(compiled.scores(batch), exact.scores(batch), atol=1e-5)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0  # it is compiled at all


def test_deterministic_operations_are_chosen():
    assert not torch.are_deterministic_algorithms_enabled()
    try:
        own = placed(deterministic=True)
        assert torch.are_deterministic_algorithms_enabled()
        batch = next(DATA.batches("test", 20))
        np.testing.assert_array_equal(own.scores(batch), own.scores(batch))
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.skipif(torch.cuda.is_available(), reason="the machine has the device")
def test_a_device_that_the_machine_lacks_is_named():
    with pytest.raises(ModelError, match="no cuda device that torch can use; say `auto` or `cpu`"):
        placed(device="cuda")
    assert choose_device("cpu") == choose_device("auto") == "cpu"
