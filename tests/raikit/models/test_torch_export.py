"""Archives of torch.export are read by permission, called by input name, and scored as the module that was exported."""

import contextlib
import io
import os
import zipfile

import numpy as np
import pytest
import torch

from raikit.errors import ModelError
from raikit.models.loaders import LOADERS, load, runs_code

SPEC = {"kind": "torch", "path": "m.pt2", "allow_pickle": True}


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.linear = torch.nn.Linear(2, 3)

    def forward(self, facts):
        return {"logits": self.linear(facts)}


def save(path, rows=None, by_name=False):
    """Export a module for any number of cases, or for a fixed one."""
    net, x = Net(), torch.zeros(rows or 4, 2)
    args, kwargs = ((), {"facts": x}) if by_name else ((x,), {})
    dynamic = None if rows else {"facts": {0: torch.export.Dim("n")}}
    torch.export.save(torch.export.export(net, args, kwargs, dynamic_shapes=dynamic), path)
    return net


@pytest.mark.parametrize("by_name", [True, False])
@pytest.mark.parametrize("rows", [None, 1, 7])
def test_scores_are_those_of_the_module(numbers, predictions, tmp_path, rows, by_name):
    dataset = numbers("multiclass")
    net = save(tmp_path / "m.pt2", rows, by_name)
    model = load(SPEC, dataset, LOADERS, tmp_path)
    frame = predictions(model, dataset)
    x = torch.tensor(dataset.frame(["x0", "x1"]).to_numpy(), dtype=torch.float32)
    expected = net.linear(x).softmax(dim=1).detach().numpy()
    np.testing.assert_allclose(frame[["score.a", "score.b", "score.c"]], expected, atol=1e-6)
    assert "gradients" in model.capabilities
    assert model.describe()["parameters"] == 9


def test_it_needs_permission_and_a_process_of_its_own(numbers, tmp_path):
    save(tmp_path / "m.pt2")
    assert runs_code(SPEC)
    with pytest.raises(ModelError, match=r"reading m\.pt2, an archive of torch\.export, may run code.*allow_pickle: true"):
        load({"kind": "torch", "path": "m.pt2"}, numbers("multiclass"), LOADERS, tmp_path)


class Evil:
    def __reduce__(self):
        return (os.mkdir, ("ran",))


def test_reading_one_does_run_code_which_is_why(tmp_path, monkeypatch):
    """If torch reads archives safely one day, this fails, and the permission can go."""
    save(tmp_path / "m.pt2")
    monkeypatch.chdir(tmp_path)
    stream = io.BytesIO()
    torch.save((Evil(), {}), stream)
    with zipfile.ZipFile("m.pt2") as old, zipfile.ZipFile("evil.pt2", "w") as new:
        for name in old.namelist():
            new.writestr(name, stream.getvalue() if "sample_inputs" in name else old.read(name))
    with contextlib.suppress(Exception):
        torch.export.load("evil.pt2")
    assert (tmp_path / "ran").exists()


def test_an_input_by_another_name_is_named(numbers, tmp_path):
    class Other(Net):
        def forward(self, table):
            return self.linear(table)

    torch.export.save(torch.export.export(Other(), (torch.zeros(1, 2),)), tmp_path / "m.pt2")
    with pytest.raises(ModelError, match=r"takes the input 'table', which the data lack \(facts\)"):
        load(SPEC, numbers("multiclass"), LOADERS, tmp_path).scores(next(numbers("multiclass").batches("test", 4)))


@pytest.mark.parametrize("content", [None, b"", b"nothing of the kind"])
def test_a_file_that_is_none_is_one_sentence(numbers, tmp_path, content):
    if content is not None:
        (tmp_path / "m.pt2").write_bytes(content)
    with pytest.raises(ModelError, match=r"no file m\.pt2|m\.pt2 cannot be read as an archive of torch\.export"):
        load(SPEC, numbers(), LOADERS, tmp_path)


def test_weights_beside_it_are_refused(numbers, tmp_path):
    save(tmp_path / "m.pt2")
    with pytest.raises(ModelError, match="has its own weights"):
        load({**SPEC, "weights": "w.pt"}, numbers(), LOADERS, tmp_path)


def test_a_graph_stays_on_the_device_that_it_names(numbers, tmp_path):
    save(tmp_path / "m.pt2")
    dataset = numbers("multiclass")
    model = load(SPEC, dataset, LOADERS, tmp_path)
    batch = next(dataset.batches("test", 4))
    before = model.scores(batch)
    model.module.to("meta")
    np.testing.assert_array_equal(model.scores(batch), before)
