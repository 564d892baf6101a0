from raikit.plugins.probe import find_fatal_imports


def test_modules_that_end_or_survive_the_process_are_told_apart(tmp_path, monkeypatch):
    modules = {
        "fine": "x = 1",
        "raises": "1 / 0",
        "exits": "import sys; sys.exit(3)",
        "gone": "import os; os._exit(3)",
        "crashes": "import ctypes; ctypes.string_at(0)",
        "loud": "import os; [os.write(1, b'x' * 10_000) for _ in range(100)]",
    }
    for name, text in modules.items():
        (tmp_path / f"probed_{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert find_fatal_imports([f"probed_{name}" for name in modules]) == {
        "probed_gone": "loading it ended the process (exit code 3)",
        "probed_crashes": "loading it ended the process (SIGSEGV)",
    }


def test_one_that_never_ends_is_given_up(tmp_path, monkeypatch):
    (tmp_path / "probed_hangs.py").write_text("import time; time.sleep(1000)")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("RAIKIT_MAX_LOADING_SECONDS", "1")
    problems = find_fatal_imports(["json", "probed_hangs", "csv"])
    assert list(problems) == ["probed_hangs"] and "loading it did not finish within 1 seconds" in problems["probed_hangs"]
