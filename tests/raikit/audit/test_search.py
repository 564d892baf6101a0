"""A search in an audit: trials are measured by checks on the validation cases, kept in the run, and told in the record."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers

from raikit.audit.conductor import audit
from raikit.audit.opening import open_data
from raikit.audit.plan import Request, planned
from raikit.audit.trial import try_model
from raikit.console import Console
from raikit.errors import ConfigError, ModelError

CONFIG = {
    "name": "searched", "seed": 3, "threads": 1, "formats": ["json"],
    "data": {"path": "cases.csv", "target": "y", "sensitive": ["sex"], "split": {"validation": 0.3, "test": 0.3},
             "inputs": {"form": {"modality": "tabular", "columns": ["a", "b"]}}},
    "checks": {"performance.classification": {}},
}
SEARCH = {
    "trials": 4, "maximise": "performance.accuracy", "ranges": {"learning_rate": {"low": 1e-4, "high": 0.05, "log": True}, "width": [8, 16]},
    "limits": [{"metric": "fairness.selection_rate_difference[sex]", "max": 0.35}],
}  # fmt: skip


class Interrupted(Console):
    """A console whose person gives up as a trial begins."""

    def __init__(self, text):
        super().__init__(quiet=True)
        self.text = text

    def say(self, message):
        if message.startswith(self.text):
            raise KeyboardInterrupt


@pytest.fixture
def write(tmp_path):
    rng = np.random.default_rng(1)
    sex = rng.choice(["F", "M"], 400)
    a = rng.normal(size=400) + (sex == "M") * 0.4
    words = np.where(a > 0, "good", "bad")
    table = {"a": a, "b": rng.normal(size=400), "sex": sex, "y": (a + 0.4 * rng.normal(size=400) > 0).astype(int), "note": words}
    pd.DataFrame(table).to_csv(tmp_path / "cases.csv", index=False)

    def write(train=None, search=None, data=None, **more):
        train = {"kind": "fusion", "epochs": 2, "search": SEARCH | (search or {})} | (train or {})
        config = CONFIG | {"data": CONFIG["data"] | (data or {}), "model": {"train": train}} | more
        path = tmp_path / "audit.yaml"
        path.write_text(json.dumps(config))
        return path

    return write


def run(config, out, console=None, **more):
    return audit(Request(config, out=out, **more), console or Console(quiet=True))


def test_an_interrupted_search_ends_in_the_same_run(write, tmp_path):
    whole = run(write(), tmp_path / "whole").record.model["search"]
    with pytest.raises(KeyboardInterrupt):
        run(write(), tmp_path / "run", Interrupted("Trial 3"))
    with pytest.raises(KeyboardInterrupt):
        run(write(), tmp_path / "run", Interrupted("Search: "), resume=True)
    resumed = run(write(), tmp_path / "run", Interrupted("Trial"), resume=True)  # no trial is left to make
    assert resumed.record.model["search"] == whole
    one, other = (pd.read_parquet(tmp_path / name / "predictions.parquet") for name in ("whole", "run"))
    pd.testing.assert_frame_equal(one, other)


def test_the_chosen_trial_is_the_model_and_its_numbers_are_those_of_the_checks(write, tmp_path):
    outcome = run(write(), tmp_path / "run")
    search = outcome.record.model["search"]
    chosen = search["trials"][search["chosen"] - 1]
    assert len(search["trials"]) == 4
    assert {trial["values"]["width"] for trial in search["trials"]} <= {8, 16}
    assert len({trial["values"]["learning_rate"] for trial in search["trials"]}) == 4
    cases = pd.read_parquet(tmp_path / "run" / "predictions.parquet").query("split == 'validation'")
    right = (cases["prediction"].astype(str) == cases["target"].astype(str)).mean()
    rates = (cases["prediction"].astype(str) == "1").groupby(cases["sex"]).mean()
    assert chosen["objective"] == pytest.approx(right)
    assert chosen["limits"] == {"fairness.demographic_parity_difference[sex]": pytest.approx(rates.max() - rates.min())}
    better = [trial for trial in search["trials"] if trial["keeps_limits"]]
    assert chosen["objective"] == max(trial["objective"] for trial in better)
    again = {"model": {"load": {"kind": "fusion", "path": "run/model"}}}
    config = tmp_path / "again.yaml"
    config.write_text(json.dumps(CONFIG | again | {"checks": {"privacy.dp_finetuning": {"epsilons": [8.0], "epochs": 1}}}))
    private = run(config, tmp_path / "private").record
    findings = [finding for check in private.checks for finding in check.findings if finding.what == "scope of epsilon"]
    assert "A search of 4 trials on these cases, trained without noise, chose the settings" in findings[0].sentence
    assert findings[0].severity == "warn"


def test_the_validation_loss_is_compared_without_a_metric(write, tmp_path):
    config = write(search={"maximise": None, "limits": [], "trials": 3})
    model = run(config, tmp_path / "run").record.model
    assert model["search"]["objective"] == "validation loss"
    losses = [trial["objective"] for trial in model["search"]["trials"]]
    assert losses[model["search"]["chosen"] - 1] == min(losses) == model["history"]["epochs"][-1]["validation_loss"]


def test_a_trial_that_diverges_is_not_chosen(write, tmp_path):
    search = {"ranges": {"learning_rate": [1e30, 1e-3]}, "limits": [], "maximise": None, "trials": 5}
    model = run(write(search=search), tmp_path / "run").record.model["search"]
    lost = [trial for trial in model["trials"] if float(trial["values"]["learning_rate"]) == 1e30]
    assert lost
    assert all(trial["objective"] is None and not trial["keeps_limits"] for trial in lost)
    assert model["trials"][model["chosen"] - 1]["values"]["learning_rate"] == 1e-3
    with pytest.raises(ModelError, match=r"none of 2 trials has a value of validation loss \(trial 1: .*\); try lower learning rates"):
        run(write(search=search | {"ranges": {"learning_rate": [1e30]}, "trials": 2}), tmp_path / "other")


@pytest.mark.parametrize("aim", [{}, {"maximise": None, "limits": []}])
def test_a_trial_whose_model_returns_nan_fails_with_a_reason_and_the_search_goes_on(write, tmp_path, aim):
    """Weights become NaN in the last step of an epoch, after its loss was computed."""
    search = {"ranges": {"learning_rate": [1e37, 1e-3]}, "trials": 5} | aim
    config = write({"epochs": 1, "batch_size": 4096}, search)
    model = run(config, tmp_path / "run").record.model["search"]
    failed = [trial for trial in model["trials"] if float(trial["values"]["learning_rate"]) == 1e37]
    assert failed
    assert all(trial["objective"] is None and "NaN" in trial["reason"] for trial in failed)
    assert all(not trial["reason"] for trial in model["trials"] if trial not in failed)
    assert model["trials"][model["chosen"] - 1]["values"]["learning_rate"] == 1e-3


def test_a_search_in_which_every_model_returns_nan_is_one_sentence(write, tmp_path):
    search = {"ranges": {"learning_rate": [1e37]}, "trials": 2}
    with pytest.raises(ModelError, match=r"none of 2 trials has a value of performance.accuracy \(trial 1: .*NaN.*\); try lower"):
        run(write({"epochs": 1, "batch_size": 4096}, search), tmp_path / "run")


def test_a_fine_tuning_is_searched_too(write, tmp_path):
    tokenizer = Tokenizer(models.WordLevel({"[PAD]": 0, "[UNK]": 1, "good": 2, "bad": 3}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=16, **names).save_pretrained(tmp_path / "bert")
    torch.manual_seed(0)
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    transformers.BertModel(transformers.BertConfig(vocab_size=4, **size)).save_pretrained(tmp_path / "bert")
    train = {"kind": "huggingface", "base": "bert", "batch_size": 32, "epochs": 1}
    search = {"ranges": {"learning_rate": [1e-6, 1e-2], "method": ["head", "full"], "max_length": [8]}, "trials": 3}
    config = write(train=train | {"search": SEARCH | search}, data={"inputs": {"note": {"modality": "text"}}})
    with pytest.raises(KeyboardInterrupt):
        run(config, tmp_path / "run", Interrupted("Search: "))
    model = run(config, tmp_path / "run", resume=True).record.model
    assert model["search"] == run(config, tmp_path / "whole").record.model["search"]
    assert len(model["search"]["trials"]) == 3
    one, other = (pd.read_parquet(tmp_path / name / "predictions.parquet") for name in ("whole", "run"))
    pd.testing.assert_frame_equal(one, other)


# --- what cannot be searched -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"ranges": {"widt": [8]}}, r"model\.train\.search\.ranges\.widt: training knows no setting 'widt'\. Did you mean 'width'"),
        ({"ranges": {"width": [8, 12]}}, r"ranges\.width: training cannot use 12; .*multiple of 8"),
        ({"ranges": {"dropout": {"low": 0.1, "high": 1.0}}}, r"ranges\.dropout: training cannot use 1\.0; .*less than 1"),
        ({"ranges": {"encoders.note.rank": [1]}}, r"model\.train has no 'encoders\.note' of which it could be a part"),
        ({"ranges": {"search": [1]}}, "a search chooses no 'search'"),
        ({"maximise": "performance.*"}, r"'performance\.\*' is a pattern; name one metric by its address"),
        ({"maximise": "performance.acuracy"}, r"no check of raikit measures 'performance\.acuracy' from predictions alone"),
        ({"maximise": "privacy.membership_auc"}, "is not measured on the validation cases"),
        ({"maximise": "explainability.share(input=form)"}, "from predictions alone"),
        ({"limits": [{"metric": "fairness.selection_rate_difference[age]", "max": 0.1}]}, "is not measured on the validation cases"),
        ({"trials": 0}, r"search\.trials: .*greater than or equal to 1, not 0"),
        ({"trail": 3}, r"unknown key 'trail' in model\.train\.search"),
    ],
)
def test_a_search_that_cannot_be_made_is_one_sentence(write, tmp_path, search, message):
    with pytest.raises((ConfigError, ModelError), match=message) as caught:
        run(write(search=search), tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"maximise": "performance.acuracy"}, r"no check of raikit measures 'performance\.acuracy' from predictions alone"),
        ({"minimise": "performance.mean_absolute_error", "maximise": None}, r"performance\.regression skipped: it measures regression"),
        ({"maximise": "performance.entity_f1(average=micro)"}, r"is not measured on the validation cases \(performance\.entities"),
        ({"limits": [{"metric": "fairness.selection_rate_difference[age]", "max": 0.1}]}, r"'age' is not among data\.sensitive: sex"),
    ],
)
def test_a_dry_run_finds_what_a_search_cannot_measure_and_a_run_before_it_trains(write, tmp_path, search, message):
    config = write(search=search)
    with planned(Request(config)) as plan, pytest.raises((ConfigError, ModelError), match=message):
        try_model(plan, open_data(plan))
    with pytest.raises((ConfigError, ModelError), match=message):
        run(config, tmp_path / "run", Interrupted("Trial 1"))


def test_a_search_needs_validation_cases(write, tmp_path):
    with pytest.raises(ModelError, match="trials are compared on validation cases, and there are none"):
        run(write(data={"split": {"validation": 0, "test": 0.3}}), tmp_path / "run")
