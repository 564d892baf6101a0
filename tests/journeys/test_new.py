"""From an idea to a report in three commands: write a package, install it, audit its example."""

import shlex

import pytest
from journey import check_row


def commands(printed):
    return [shlex.split(line) for line in printed.splitlines() if line.startswith("  ")]


def test_three_commands_lead_from_nothing_to_the_check_in_a_report(raikit, install_package, tmp_path):
    pip, audit, *_ = commands(raikit("plugins", "new", "my-check", code=0).out)
    assert pip[:3] == ["pip", "install", "-e"]
    environment = install_package(tmp_path / pip[3])
    assert audit[:2] == ["raikit", "audit"]
    ran = raikit(*audit[1:], "--out", "run", "--verbose", code=0, **environment)
    assert "my_check.selective_risk is at most 0.2" in ran.out
    row = check_row(tmp_path / "run", "my_check.selective_risk")
    assert (row["status"], row["plugin"]) == ("ok", "raikit-my-check")
    page = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert "raikit-my-check" in page
    assert "Risk at each coverage" in page
    assert "threshold" in raikit("plugins", "info", "my_check.selective_risk", code=0, **environment).out


@pytest.mark.parametrize(("kind", "file"), [("report", "mine.csv"), ("model", "predictions.parquet")])
def test_so_do_they_for_a_report_format_and_a_model_loader(raikit, install_package, tmp_path, kind, file):
    raikit("plugins", "new", "mine", "--kind", kind, "--out", "place", code=0)
    raikit("audit", "place/example/audit.yaml", "--out", "run", code=0, **install_package(tmp_path / "place"))
    assert (tmp_path / "run" / file).is_file()


def test_the_same_name_twice_is_one_sentence(raikit, install_package, tmp_path):
    raikit("plugins", "new", "my-check", code=0)
    again = raikit("plugins", "new", "my-check", code=2)
    assert again.err == "raikit: my-check exists already; choose another name or --out.\n"
    environment = install_package(tmp_path / "my-check")
    taken = raikit("plugins", "new", "my-check", "--out", "other", code=2, **environment)
    assert taken.err == "raikit: 'my_check' is the name of a plugin that raikit-my-check has installed; choose another.\n"
    assert not (tmp_path / "other").exists()


def test_a_place_with_a_space_can_be_pasted(raikit, tmp_path):
    pip, audit, *_ = commands(raikit("plugins", "new", "my-check", "--out", "my plugins/check", code=0).out)
    assert (tmp_path / pip[-1]).is_dir()
    assert (tmp_path / audit[-1]).is_file()
