"""Tests of `raikit.config.load`, and of the YAML reader `raikit.config.yamlfile` behind it."""

from pathlib import Path

import pytest

from raikit.config.load import load
from raikit.config.yamlfile import read
from raikit.errors import ConfigError

GOOD = """\
name: m
data:
  path: a.csv
  target: y
  sensitive: [sex, {column: age, bins: [25, 40]}]
  cluster: patient
model:
  load: {kind: predictions, score: p}
gate:
  rules:
    - {metric: performance.accuracy, min: 0.9}
"""


@pytest.fixture
def write(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "audit.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_only_a_table_of_predictions_needs_no_target(write):
    without = GOOD.replace("  target: y\n", "")
    assert load(write(without)).audit.data.target is None
    with pytest.raises(ConfigError, match=r"audit\.yaml, line 2: data\.target is required; only decisions"):
        load(write(without.replace("load: {kind: predictions, score: p}", "train: {kind: fusion}")))


def test_a_good_file_is_read(write):
    config = load(write(GOOD)).audit
    assert [feature.column for feature in config.data.sensitive] == ["sex", "age"]
    assert config.data.cluster == ["patient"]
    assert config.gate.rules[0].min == 0.9


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "  target: y",
            "  taget: y",
            r"audit\.yaml, line 4: unknown key 'taget' in data\. Did you mean 'target'\?",
        ),
        ("bins: [25, 40]", "bins: [40, 25]", r"line 5: data\.sensitive, item 2: `bins` must be in ascending order"),
        ("bins: [25, 40]", "bin: [40, 25]", r"Did you mean 'bins'\?"),
        ("min: 0.9", "min: 0.9, max: 1", r"line 11: gate\.rules, rule 1: a rule has either `max` or `min`"),
        ("min: 0.9", "min: much", r"line 11: gate\.rules, rule 1, min: .*number.*'much'"),
        ("min: 0.9", "min: .nan", r"line 11: gate\.rules, rule 1, min: must be a finite number, not nan"),
        ("min: 0.9", "max: -.inf", r"line 11: gate\.rules, rule 1, max: must be a finite number, not -inf"),
        ("bins: [25, 40]", "bins: [25, .inf]", r"line 5: data\.sensitive, item 2, bins, item 2: .*finite number, not inf"),
        ("target: y", "target: y\n  split: {test: .nan}", r"line 5: data\.split\.test: .*finite number, not nan"),
        (
            "load: {kind: predictions, score: p}",
            "train: {kind: fusion, epoch: 3}",
            r"line 8: unknown key 'epoch' in model\.train\. Did you mean 'epochs'\?",
        ),
        (
            "load: {kind: predictions, score: p}",
            "train: {kind: fusion, epochs: 0}",
            r"line 8: model\.train\.epochs: .*greater than or equal to 1, not 0",
        ),
        (
            "load: {kind: predictions, score: p}",
            "train: {kind: fusion, reweight: sexx}",
            r"line 8: model\.train\.reweight: 'sexx' is not among data\.sensitive\. Did you mean 'sex'\?",
        ),
        (
            "load: {kind: predictions, score: p}",
            "train: {kind: fusion, encoders: {note: {path: x}}}",
            r"line 8: model\.train\.encoders\.note: 'note' is not among data\.inputs",
        ),
        (
            "load: {kind: predictions, score: p}",
            "train: {kind: fusion, encoders: {note: {path: x, method: half}}}",
            r"line 8: model\.train\.encoders\.note\.method: must be 'frozen', 'lora' or 'full'",
        ),
        ("name: m", 'name: "a\\ud800"', r"line 1: name: unpaired surrogate; write the character itself"),
        ("name: m", "name: m\nname: n", r"line 2: duplicate key 'name'; remove one"),
        ("name: m", "nam: m", r"audit\.yaml, line 1: unknown key 'nam'\. Did you mean 'name'\?"),
        ("name: m", "name: [", r"audit\.yaml, line"),
        ("  load: {kind: predictions, score: p}", "  {}", r"line 7: model: give either `train"),
        ("sensitive: [sex,", "sensitive: [sex, sex,", r"names 'sex' twice"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_line_and_the_way_out(write, old, new, says):
    assert old in GOOD
    with pytest.raises(ConfigError, match=says) as caught:
        load(write(GOOD.replace(old, new)))
    assert "\n" not in str(caught.value)
    assert "pydantic" not in str(caught.value)


def test_words_that_yaml_takes_for_booleans_stay_words(write):
    assert load(write(GOOD.replace("target: y", "target: y\n  positive: no"))).audit.data.positive == "no"
    assert load(write(GOOD.replace("target: y", "target: y\n  positive: true"))).audit.data.positive is True


def test_set_is_put_over_the_file(write):
    config = load(write(GOOD), ["seed=7", "data.target=other", "checks.fairness.intersections=3"]).audit
    assert (config.seed, config.data.target) == (7, "other")
    assert config.checks == {"fairness.intersections": 3}


@pytest.mark.parametrize("item", ["seed", "=3", "data.path.x=3"])
def test_a_set_that_cannot_be_applied_is_refused(write, item):
    with pytest.raises(ConfigError, match="--set"):
        load(write(GOOD), [item])


def test_aliases_that_explode_are_stopped(write):
    bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
    for name, before in zip("bcdefg", "abcdef", strict=True):
        bomb += f"{name}: &{name} [{', '.join(['*' + before] * 10)}]\n"
    with pytest.raises(ConfigError, match="more than 100,000 values"):
        load(write(bomb))


def test_code_in_yaml_is_not_run(write):
    with pytest.raises(ConfigError, match="line 1"):
        load(write("name: !!python/object/apply:os.system ['true']\n"))


@pytest.mark.parametrize("text", ["", "- a\n", "just text\n"])
def test_what_is_no_mapping_is_refused(write, text):
    with pytest.raises(ConfigError, match="empty|mapping"):
        load(write(text))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("name: Führung\n".encode("latin-1"), r"audit\.yaml is not UTF-8 \(position 7\); save it as UTF-8 text"),
        (b"name: a\n" + b"# long\n" * 4000 + b"owner: \xff\n", r"audit\.yaml is not UTF-8 \(position 28015\)"),
        (b"name: a\x00b\n", r"audit\.yaml holds a control character \(position 7\)"),
    ],
)
def test_bytes_that_are_no_text_are_one_sentence(tmp_path, content, says):
    (tmp_path / "audit.yaml").write_bytes(content)
    with pytest.raises(ConfigError, match=says):
        read(tmp_path / "audit.yaml")


@pytest.mark.parametrize("setting", [
    "gate.rules=[{metric: performance.accuracy, max: true}]", "gate.rules=[{metric: performance.accuracy, min: false}]",
    "gate.regressions=[{metric: performance.accuracy, margin: true}]", "seed=true", "data.max_rows=true", "model.timeout=true",
    "data.split={validation: false, test: 0.2}",
])  # fmt: skip
def test_true_is_no_number(write, setting):
    with pytest.raises(ConfigError, match="must be a number, not (true|false)"):
        load(write(GOOD), [setting])


def test_true_stays_where_it_may_be_a_value(write):
    audit = load(write(GOOD), ["data.positive=true", "data.classes=[true, false]"]).audit
    assert audit.data.positive is True and audit.data.classes == [True, False]
