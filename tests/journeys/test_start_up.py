"""Start-up: commands that do not audit must not import libraries that only an audit needs."""

import subprocess
import sys

import pytest

HEAVY = {"torch", "transformers", "pandas", "scipy", "duckdb", "numpy", "sklearn", "pyarrow", "pydantic"}


@pytest.mark.parametrize("arguments", [["--help"], ["plugins"], ["audit", "--help"], ["--version"]])
def test_nothing_heavy_is_imported(arguments):
    code = f"import sys; from raikit.cli import main; main({arguments!r}); print('loaded', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split("loaded", 1)[1].split()}
    assert not loaded & HEAVY


def test_an_audit_of_a_table_of_text_imports_nothing_that_only_others_need(tmp_path):
    (tmp_path / "t.csv").write_text("y,p,sex\n" + "0,.2,F\n1,.8,M\n" * 30)
    (tmp_path / "a.yaml").write_text(
        "name: t\ndata: {path: t.csv, target: y, sensitive: [sex]}\nmodel: {load: {kind: predictions, score: p}}\n"
    )
    code = "import sys; from raikit.cli import main; main(['audit', 'a.yaml', '--dry-run']); print('loaded', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    loaded = set(done.stdout.split("loaded", 1)[1].split())
    assert "raikit.data.csv_file" in loaded
    # Clients of every cloud; models of what plugins of other distributions provide.
    assert not loaded & {"pyarrow.fs", "pyarrow.parquet", "raikit.plugins.description"}
    # Readers of other formats, files of baselines, and models in a process of their own.
    assert not loaded & {"raikit.data.evaluation_logs", "raikit.data.json_file", "raikit.data.spreadsheet", "raikit.data.webdataset"}
    assert not loaded & {"raikit.gate.baseline_file", "raikit.isolation.model", "raikit.data.arrow_file"}


def test_help_imports_no_limits_of_files():
    code = "import sys; from raikit.cli import main; main(['--help']); print('loaded', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split("loaded", 1)[1].split()) & {"raikit.limits", "difflib", "json", "dataclasses"}


def test_importing_raikit_costs_nothing():
    code = "import sys; import raikit; print(*sys.modules)"
    loaded = {
        name.split(".")[0]
        for name in subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split()
    }
    assert not loaded & HEAVY


def test_everything_public_can_be_imported():
    import raikit

    for name in raikit.__all__:
        assert getattr(raikit, name) is not None
