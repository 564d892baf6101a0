"""Write the records of Every Eval Ever in this folder: pip install "every-eval-ever[inspect]"; python write_every_eval_ever.py.

The package's own converters read the logs that write_inspect.py and write_lm_eval.py wrote. (0.3.0 asks for Python 3.12; with
`--ignore-requires-python` it also ran on 3.11.)
"""

import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
# The converter knows the providers of models by name; the mock is none of them.
COMMAND = """
from every_eval_ever import cli
from every_eval_ever.converters.inspect import utils
utils.MODEL_HANDLER_MAP["mockllm"] = utils.InferenceEngineHandler
cli.main()
"""


def convert(kind, log, name, *options):
    with tempfile.TemporaryDirectory() as folder:
        arguments = [kind, "--log_path", str(HERE / log), "--output_dir", folder, *options]
        arguments += ["--source_organization_name", "raikit", "--evaluator_relationship", "other"]
        subprocess.run([sys.executable, "-c", COMMAND, "convert", *arguments], check=True)
        (file,) = Path(folder).glob("sums/**/*_samples.jsonl")
        (HERE / f"{name}_samples.jsonl").write_bytes(file.read_bytes())


if __name__ == "__main__":
    convert("inspect", "inspect_small.json", "eee_inspect")
    for run in ("before", "after"):
        convert("lm_eval", f"lm_eval_{run}", f"eee_lm_eval_{run}", "--include_samples")
