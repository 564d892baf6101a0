"""From an idea to a report in three commands: write a package, install it, audit its example."""

import os
import shlex
import sys

import pytest
from journey import record


def install(folder, site):
    """What ``pip install -e`` leaves: metadata, and the sources on the path."""
    import tomllib

    project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
    info = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = [f"{name} = {module}" for name, module in project["entry-points"]["raikit"].items()]
    (info / "entry_points.txt").write_text("\n".join(["[raikit]", *points, ""]))
    return {"PYTHONPATH": os.pathsep.join([str(site), str(folder / "src"), *sys.path])}


def commands(said):
    return [shlex.split(line) for line in said.splitlines() if line.startswith("  ")]


def test_three_commands_lead_from_nothing_to_the_check_in_a_report(raikit, tmp_path):
    pip, audit, *_ = commands(raikit("plugins", "new", "my-check", code=0).out)
    assert pip[:3] == ["pip", "install", "-e"]
    site = install(tmp_path / pip[3], tmp_path / "site")
    assert audit[:2] == ["raikit", "audit"]
    ran = raikit(*audit[1:], "--out", "run", code=0, **site)
    assert "my_check.selective_risk is at most 0.2" in ran.out
    found = next(check for check in record(tmp_path / "run")["checks"] if check["name"] == "my_check.selective_risk")
    assert (found["status"], found["plugin"]) == ("ok", "raikit-my-check")
    page = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert "raikit-my-check" in page
    assert "Risk at each coverage" in page
    assert "threshold" in raikit("plugins", "info", "my_check.selective_risk", code=0, **site).out


@pytest.mark.parametrize(("kind", "leaves"), [("report", "mine.csv"), ("model", "predictions.parquet")])
def test_so_do_they_for_a_report_format_and_a_model_loader(raikit, tmp_path, kind, leaves):
    raikit("plugins", "new", "mine", "--kind", kind, "--out", "place", code=0)
    raikit("audit", "place/example/audit.yaml", "--out", "run", code=0, **install(tmp_path / "place", tmp_path / "site"))
    assert (tmp_path / "run" / leaves).is_file()


def test_the_same_name_twice_is_one_sentence(raikit, tmp_path):
    raikit("plugins", "new", "my-check", code=0)
    again = raikit("plugins", "new", "my-check", code=2)
    assert again.err == "raikit: my-check exists already; choose another name or --out.\n"
    site = install(tmp_path / "my-check", tmp_path / "site")
    taken = raikit("plugins", "new", "my-check", "--out", "other", code=2, **site)
    assert taken.err == "raikit: 'my_check' is the name of a plugin that raikit-my-check has installed; choose another.\n"
    assert not (tmp_path / "other").exists()


def test_a_place_with_a_space_can_be_pasted(raikit, tmp_path):
    pip, audit, *_ = commands(raikit("plugins", "new", "my-check", "--out", "my plugins/check", code=0).out)
    assert (tmp_path / pip[-1]).is_dir()
    assert (tmp_path / audit[-1]).is_file()
