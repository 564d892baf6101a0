"""The recipes of docs/ci.md and action.yml: their shell commands, run in a repository with the variables of the CI service."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from journey import people, write_audit_yaml

ROOT = Path(__file__).parents[2]
RULES = [{"metric": "performance.accuracy", "min": 0.5}]
PULL_REQUEST = {
    "github.server_url": "https://github.example",
    "github.repository": "team/model",
    "github.run_id": "17",
    "github.token": "t",
    "github.event.pull_request.number": "3",
    "github.action_path": "/the/action",
}
pytestmark = pytest.mark.long


def recipe(name):
    """Read the file that docs/ci.md shows under this name."""
    text = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    return yaml.safe_load(re.search(rf"<!-- recipe: {re.escape(name)} -->\n```yaml\n(.*?)\n```", text, re.DOTALL)[1])


@dataclass
class Repository:
    """A checkout on a runner whose pip and gh only record their arguments."""

    folder: Path
    tools: Path

    def run(self, script, shell=("bash", "-eo", "pipefail"), **environment):
        """Run a step; return its exit code and its output."""
        path = f"{self.tools}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            [*shell, "-c", script], cwd=self.folder, env={**os.environ, "PATH": path, **environment},
            capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def calls(self, tool):
        """Return the arguments of each call of pip or gh."""
        path = self.tools / f"{tool}.calls"
        return path.read_text().splitlines() if path.exists() else []

    def worsen(self):
        """Replace the predictions by those of a model that misses a further quarter of the women."""
        table = people()
        table.loc[(table.sex == "F") & (table.y == 1) & (table.index % 2 == 0), "p"] = 0.01
        table.to_csv(self.folder / "people.csv", index=False)


@pytest.fixture(scope="module")
def committed(tmp_path_factory):
    """A folder with audit.yaml, its table, and the baseline that docs/ci.md describes; made once and copied."""
    place = tmp_path_factory.mktemp("committed")
    regressions = [{"metric": "fairness.equal_opportunity_difference[sex]", "margin": 0.02}]
    write_audit_yaml(place / "repository", gate={"rules": RULES, "regressions": regressions})
    checkout = Repository(place / "repository", write_tools(place / "tools"))
    commands = re.search(r"```console\n(.*?)```", (ROOT / "docs" / "ci.md").read_text(), re.DOTALL)[1]
    lines = [line.removeprefix("$ ").split(" # ")[0] for line in commands.splitlines() if "raikit" in line]
    assert len(lines) == 2
    for line in lines:
        code, output = checkout.run(line)
        assert code == 0, output
    return checkout.folder


@pytest.fixture
def repository(committed, tmp_path):
    """A checkout of its own for each test."""
    folder = shutil.copytree(committed, tmp_path / "repository")
    return Repository(folder, write_tools(tmp_path / "tools"))


def write_tools(folder):
    """Write commands ``pip`` and ``gh`` that record their arguments, and ``raikit`` of this interpreter."""
    folder.mkdir()
    for name in ("pip", "gh"):
        (folder / name).write_text(f'#!/bin/bash\necho "$*" >> {folder}/{name}.calls\n')
    (folder / "raikit").write_text(f'#!/bin/bash\nexec {sys.executable} -m raikit "$@"\n')
    for tool in folder.iterdir():
        tool.chmod(0o755)
    return folder


def github_step(repository, step, values, **environment):
    """Run a step as GitHub does: ``${{ }}`` replaced in `env`, and only there."""
    assert "${{" not in step["run"], "an expression in a script would be run as shell"

    def fill(text):
        return re.sub(r"\$\{\{\s*(.*?)\s*\}\}", lambda match: values[match[1]], str(text))

    named = {key: fill(value) for key, value in step.get("env", {}).items()}
    shell = ("bash", "-eo", "pipefail") if step.get("shell") == "bash" else ("bash", "-e")
    return repository.run(step["run"], shell, **environment, **named)


@pytest.fixture
def github(repository):
    """The variables of a GitHub runner, with the files that it reads."""
    files = {name: str(repository.folder.parent / name) for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    return {"GITHUB_ACTIONS": "true", **files}


def steps(workflow):
    return {step.get("name"): step for step in workflow["jobs"]["audit"]["steps"] if "run" in step}


@pytest.mark.parametrize("is_worse", [False, True])
def test_the_github_workflow_passes_or_fails_and_comments(repository, github, is_worse):
    workflow = recipe(".github/workflows/audit.yml")
    if is_worse:
        repository.worsen()
    named_steps = steps(workflow)
    assert list(named_steps) == ["Install", "Audit", "Comment"]
    github_step(repository, named_steps["Install"], PULL_REQUEST, **workflow["env"])
    assert repository.calls("pip") == ["install raikit==0.1.0"]
    code, output = github_step(repository, named_steps["Audit"], PULL_REQUEST, **github)
    assert code == int(is_worse), output
    assert "May the model “people” be released?" in output and ("::error" in output) == is_worse
    run = repository.folder / "raikit-run"
    uploads = [step["with"] for step in workflow["jobs"]["audit"]["steps"] if "upload" in step.get("uses", "")]
    assert [repository.folder / item.get("path", item.get("sarif_file")) for item in uploads] == [run, run / "results.sarif"]
    assert (run / "results.sarif").is_file() and (run / "report.html").is_file()
    assert "https://github.example/team/model/actions/runs/17" in (run / "comment.md").read_text()
    assert Path(github["GITHUB_STEP_SUMMARY"]).read_text()
    assert github_step(repository, named_steps["Comment"], PULL_REQUEST)[0] == 0
    (call,) = repository.calls("gh")
    assert call == "pr comment 3 --edit-last --create-if-none --body-file raikit-run/comment.md"


def test_the_workflow_may_only_read_but_for_what_it_writes():
    workflow = recipe(".github/workflows/audit.yml")
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["jobs"]["audit"]["permissions"] == {
        "contents": "read", "pull-requests": "write", "security-events": "write"
    }  # fmt: skip
    assert "pull_request_target" not in str(workflow)


def test_the_gitlab_job_keeps_tests_and_report(repository):
    job = recipe(".gitlab-ci.yml")["audit"]
    repository.worsen()
    code, output = repository.run("\n".join(job["script"]), GITLAB_CI="true", CI="true", RAIKIT=job["variables"]["RAIKIT"])
    assert code == 1, output
    assert repository.calls("pip") == ["install raikit==0.1.0"]
    reported = repository.folder / job["artifacts"]["reports"]["junit"]
    assert reported.is_relative_to(repository.folder / job["artifacts"]["paths"][0])
    root = ElementTree.parse(reported).getroot()
    assert root.get("failures") == "1" and job["artifacts"]["when"] == "always"
    assert job["allow_failure"] == {"exit_codes": [4]}


def action():
    return yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))


def act(repository, github, **chosen):
    """Use the action; return its exit code, its output and its outputs for other steps."""
    described = action()
    inputs = {name: entry["default"] for name, entry in described["inputs"].items()} | chosen
    values = PULL_REQUEST | {f"inputs.{name}": value for name, value in inputs.items()}
    install, audit = (step for step in described["runs"]["steps"] if "run" in step)
    assert github_step(repository, install, values)[0] == 0
    code, output = github_step(repository, audit, values, **github)
    outputs = dict(line.split("=", 1) for line in Path(github["GITHUB_OUTPUT"]).read_text().splitlines())
    return code, output, outputs


def test_the_action_passes_on_options_and_gives_outputs(repository, github):
    code, output, outputs = act(repository, github, baseline="baseline.json", args="--set seed=4  --exclude privacy")
    assert code == 0, output
    assert outputs == {"exit-code": "0", "report": "raikit-run/report.html"}
    assert '"seed": 4' in (repository.folder / "raikit-run" / "audit.json").read_text()
    assert repository.calls("pip") == ["install /the/action"]


def test_the_action_passes_on_every_line_of_its_options(repository, github):
    lines = '--exclude privacy\n--set seed=4\n\n--set "name=two words"\n'
    code, output, _ = act(repository, github, baseline="baseline.json", args=lines)
    assert code == 0, output
    record = (repository.folder / "raikit-run" / "audit.json").read_text()
    assert '"seed": 4' in record and "two words" in record
    assert act(repository, github, args='--set "seed=4')[0] == 2


def test_the_action_fails_as_the_audit_does_and_runs_no_code_from_an_input(repository, github):
    repository.worsen()
    code, output, outputs = act(repository, github, baseline="baseline.json", version="0.1.0", out="a b")
    assert (code, outputs) == (1, {"exit-code": "1", "report": "a b/report.html"}), output
    assert repository.calls("pip") == ["install raikit==0.1.0"]
    code, output, outputs = act(repository, github, config="$(touch hit).yaml", args="; touch hit")
    assert code == 2 and outputs["exit-code"] == "2", output
    assert not (repository.folder / "hit").exists()


def test_the_action_without_a_baseline_is_a_first_run(repository, github):
    code, output, _ = act(repository, github, formats="json")
    assert code == 0 and "there is no baseline yet" in output


def test_the_docs_list_the_inputs_and_outputs_of_the_action():
    described, used = action(), recipe("action")
    step = next(step for step in used["jobs"]["audit"]["steps"] if "with" in step and "raikit@" in step["uses"])
    assert set(step["with"]) <= set(described["inputs"])
    text = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in (*described["inputs"], *described["outputs"]))
    outputs = set(re.findall(r"steps\.raikit\.outputs\.([\w-]+)", str(used)))
    assert outputs <= set(described["outputs"])
