"""DuckDB opens where it may not change its progress bar, as in a notebook without ipywidgets."""

import subprocess
import sys

# What DuckDB itself looks for in a kernel of IPython: the module and its shell.
KERNEL = """
import sys, types

ipython = types.ModuleType("IPython")
class ZMQInteractiveShell:
    config = {"IPKernelApp": {}}
shell = ZMQInteractiveShell()
ipython.get_ipython = lambda: shell
sys.modules["IPython"], sys.modules["ipywidgets"] = ipython, None
sys.ps1 = ">>> "
"""


def test_it_counts_in_a_plain_process_and_in_a_kernel():
    count = (
        "from raikit.process.database import open_database\n"
        "with open_database() as connection:\n    print(connection.execute('SELECT 40 + 2').fetchone())\n"
    )
    for code in (count, KERNEL + count):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert (done.stdout.strip(), done.returncode) == ("(42,)", 0), done.stderr


def test_the_kernel_of_this_test_is_one_in_which_the_setting_is_refused():
    code = KERNEL + "import duckdb\nduckdb.connect().execute('SET enable_progress_bar = false')\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "Could not change the progress bar setting" in done.stderr
