import gc
import subprocess
import sys

import pytest

from raikit.process.importing import without_collection


def test_collection_goes_on_after_the_imports():
    with without_collection():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_collection_goes_on_after_an_import_that_fails():
    with pytest.raises(ImportError), without_collection():
        raise ImportError
    assert gc.isenabled()


def test_nothing_changes_where_somebody_has_turned_it_off():
    gc.disable()
    try:
        with without_collection():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_command_imports_without_looking_for_garbage(tmp_path):
    code = ("import gc; found = []; gc.callbacks.append(lambda phase, facts: found.append(phase)); import click; found.clear(); "
            "from raikit.cli import main; main(['gate', 'nowhere']); print(found.count('start'), gc.isenabled())")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    collections, enabled = done.stdout.split()
    assert int(collections) < 30  # more than 250 while the modules of an audit are imported
    assert enabled == "True"
