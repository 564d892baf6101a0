import io
import logging
import os
import random
import signal
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from raikit.errors import PluginError
from raikit.process.guard import MOST_OUTPUT, Clipped, Sink, captured, preserved


def test_what_is_printed_warned_and_logged_is_collected():
    stream = io.StringIO()
    with captured(0, stream) as said:
        print("printed")
        logging.getLogger("somebody").warning("logged")
        warnings.warn("twice", UserWarning, stacklevel=1)
        warnings.warn("twice", UserWarning, stacklevel=1)
    assert "printed" in stream.getvalue() and "logged" in stream.getvalue()
    assert said == ["UserWarning: twice"]


def test_global_generators_start_at_the_seed_and_are_put_back():
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    draws = []
    for _ in range(2):
        with captured(7, io.StringIO()):
            draws.append((random.random(), np.random.random(), float(torch.rand(1))))
    assert draws[0] == draws[1]
    assert random.random() == random.Random(1).random()
    assert np.random.random() == np.random.RandomState(1).random()
    assert float(torch.rand(1)) == float(torch.rand(1, generator=torch.Generator().manual_seed(1)))


def test_a_library_that_only_the_check_imports_is_seeded_too():
    program = """
import io, sys
from raikit.process.guard import captured
assert "numpy" not in sys.modules and "torch" not in sys.modules
if sys.argv[1] == "before":
    import numpy, torch
with captured(7, io.StringIO()):
    import numpy, torch
    print(numpy.random.random(), float(torch.rand(1)), file=sys.__stdout__)
"""
    told = {
        when: subprocess.run([sys.executable, "-c", program, when], capture_output=True, text=True, check=True).stdout
        for when in ("before", "after")
    }
    assert told["before"] == told["after"] != ""


def test_a_library_that_only_the_check_imports_is_put_back_too():
    program = """
import io
from raikit.process.guard import captured
with captured(7, io.StringIO()) as said:
    import torch
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    torch.set_default_dtype(torch.float64)
assert torch.get_num_threads() == threads and torch.get_default_dtype() == torch.float32
print(said[-1])
"""
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert "it changed torch's threads, torch's default dtype and did not restore it" in told


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda: os.environ.update(RAIKIT_TEST="1"), "the environment (RAIKIT_TEST)"),
        (lambda: os.environ.pop("PATH"), "the environment (PATH)"),
        (lambda: os.chdir("/"), "the working directory"),
        (lambda: torch.set_default_dtype(torch.float64), "torch's default dtype"),
        (lambda: torch.set_num_threads(torch.get_num_threads() + 1), "torch's threads"),
        (lambda: torch.set_grad_enabled(False), "torch's gradient mode"),
    ],
)
def test_what_is_changed_is_put_back_and_named(change, named):
    before = dict(os.environ), os.getcwd(), torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled()
    with captured(0, io.StringIO()) as said:
        change()
    assert said == [f"it changed {named} and did not restore it; raikit has"]
    after = dict(os.environ), os.getcwd(), torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled()
    assert before == after


def test_it_is_put_back_also_if_the_code_raises():
    def raises():
        with captured(0, io.StringIO()):
            os.environ["RAIKIT_TEST"] = "1"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        raises()
    assert "RAIKIT_TEST" not in os.environ


def test_filters_and_import_paths_are_put_back_in_silence():
    filters, path = list(warnings.filters), list(sys.path)
    with captured(0, io.StringIO()) as said:
        warnings.simplefilter("error")
        sys.path.insert(0, "/nowhere")
    assert said == []
    assert (list(warnings.filters), sys.path) == (filters, path)


def test_an_import_prints_nothing_on_stdout(capsys):
    with preserved():
        print("hello")
        os.environ["RAIKIT_TEST"] = "1"
    assert capsys.readouterr() == ("", "| hello\n")
    assert "RAIKIT_TEST" not in os.environ


def test_a_sink_keeps_the_beginning_and_the_end_and_counts_the_rest():
    sink = Sink()
    sink.write("first ")
    for number in range(100_000):
        assert sink.write(f"{number:06}") == 6
    sink.close()
    sink.write(" last")
    kept = str(sink.text)
    assert kept.startswith("first 000000000001") and kept.endswith("099999 last")
    written = len("first ") + 600_000 + len(" last")
    assert f"\n… {written - MOST_OUTPUT:,} characters were not kept …\n" in kept


@given(st.lists(st.text(max_size=30), max_size=30))
def test_what_is_short_is_kept_as_it_is(pieces):
    text = Clipped()
    for piece in pieces:
        text.add(piece)
    assert str(text) == "".join(pieces)


def test_a_breakpoint_without_a_terminal_says_where_there_is_one():
    with pytest.raises(PluginError, match="--isolation none"), captured(0, io.StringIO()):
        breakpoint()


def test_a_breakpoint_with_a_terminal_talks_to_it(monkeypatch):
    seen = io.StringIO()
    monkeypatch.setattr(sys, "__stdin__", io.StringIO("p 6 * 7\nc\n"))
    monkeypatch.setattr(sys, "__stdout__", seen)
    captured_output = io.StringIO()
    with captured(0, captured_output, terminal=True):
        print("before")
        breakpoint()
        print("after")
    assert "42" in seen.getvalue()
    assert captured_output.getvalue() == "before\nafter\n"


@pytest.mark.parametrize(
    "change",
    [
        lambda: np.random.set_bit_generator(np.random.PCG64(1)),
        lambda: torch.set_default_device("meta"),
        lambda: signal.alarm(60),
        lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),
    ],
)
def test_what_would_break_the_next_check_is_put_back(change):
    before = signal.getsignal(signal.SIGTERM)
    with captured(3, io.StringIO()):
        first = np.random.random(), float(torch.rand(1))
    with captured(3, io.StringIO()):
        change()
    with captured(3, io.StringIO()) as said:
        again = np.random.random(), float(torch.rand(1))
    assert (again, said) == (first, [])
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
    assert signal.getsignal(signal.SIGTERM) == before


def test_what_an_import_makes_of_torch_is_put_back(tmp_path):
    program = """
from raikit.process.guard import preserved
with preserved():
    import torch
    torch.set_default_dtype(torch.float64)
print(torch.get_default_dtype())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "torch.float32\n"
