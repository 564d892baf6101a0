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
