"""Write the samples of lm-evaluation-harness in this folder: pip install lm-eval torch transformers; python write_lm_eval.py.

The model is one of our own that looks answers up, so that nothing is downloaded. There are two tasks: `capitals` has several choices,
`sums` asks for text and filters the answers in two ways. Two runs; the second one answers worse in the south.
"""

import json
import random
import re
import shutil
import tempfile
from pathlib import Path

import lm_eval
from lm_eval.api.model import LM
from lm_eval.api.registry import register_model
from lm_eval.loggers import EvaluationTracker
from lm_eval.tasks import TaskManager

HERE = Path(__file__).parent
CAPITALS = """\
task: capitals
dataset_path: json
dataset_kwargs: {data_files: {test: FOLDER/capitals.jsonl}}
test_split: test
output_type: multiple_choice
doc_to_text: "The capital of {{country}} is"
doc_to_choice: "{{choices}}"
doc_to_target: answer
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
  - {metric: acc_norm, aggregation: mean, higher_is_better: true}
"""
SUMS = """\
task: sums
dataset_path: json
dataset_kwargs: {data_files: {test: FOLDER/sums.jsonl}}
test_split: test
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: "{{answer}}"
generation_kwargs: {until: ["\\n"]}
filter_list:
  - name: strict
    filter: [{function: regex, regex_pattern: "^(\\\\d+)$"}, {function: take_first}]
  - name: flexible
    filter: [{function: regex, regex_pattern: "(\\\\d+)"}, {function: take_first}]
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true}
"""


def capitals():
    draw = random.Random(3)
    names = [f"Land {number}" for number in range(30)]
    for number, name in enumerate(names):
        choices = [f"City {number}", *(f"City {draw.randrange(100, 200)}" for _ in range(3))]
        draw.shuffle(choices)
        region = "south" if number % 2 else "north"
        yield {"country": name, "choices": choices, "answer": choices.index(f"City {number}"), "region": region, "area": number * 7.5}


def sums():
    draw = random.Random(4)
    for number in range(24):
        first, second = draw.randint(2, 99), draw.randint(2, 99)
        region = "south" if number % 2 else "north"
        yield {"question": f"{first} + {second} =", "answer": str(first + second), "region": region, "tags": ["sum", region]}


@register_model("look-up")
class LookUp(LM):
    """Answers from the data, and wrongly for some cases."""

    def __init__(self, pretrained, south, seed, **_):
        super().__init__()
        self.draw = random.Random(seed)
        self.share_wrong = {"north": 0.1, "south": south}

    def is_wrong(self, doc):
        return self.draw.random() < self.share_wrong[doc["region"]]

    def loglikelihood(self, requests):
        wrong = {request.doc_id: self.is_wrong(request.doc) for request in requests if request.idx == 0}
        return [(-float((r.idx - r.doc["answer"] - wrong[r.doc_id]) % 4) - 1, False) for r in requests]

    def generate_until(self, requests):
        answers = [("It is " if r.doc_id % 3 == 0 else "") + r.doc["answer"] for r in requests]
        return ["no idea" if self.is_wrong(r.doc) else answer for r, answer in zip(requests, answers, strict=True)]

    def loglikelihood_rolling(self, requests):
        raise NotImplementedError


def run(name, south, seed, folder):
    tracker = EvaluationTracker(output_path=str(folder / name))
    results = lm_eval.simple_evaluate(
        model="look-up",
        model_args=f"pretrained=example/look-up,south={south},seed={seed}",
        tasks=["capitals", "sums"],
        task_manager=TaskManager(include_path=str(folder), include_defaults=False),
        evaluation_tracker=tracker,
        log_samples=True,
        bootstrap_iters=0,
    )
    samples = results.pop("samples")
    tracker.save_results_aggregated(results=results, samples=samples)
    for task in samples:
        tracker.save_results_samples(task_name=task, samples=samples[task])
    target = HERE / name
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for file in (folder / name).rglob("*.json*"):
        text = re.sub(re.escape(str(folder)), "FOLDER", file.read_text(encoding="utf-8"))
        text = re.sub(r'"pretty_env_info": ".*"', '"pretty_env_info": ""', text)  # it describes the machine
        (target / file.name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for task, rows, text in (("capitals", capitals(), CAPITALS), ("sums", sums(), SUMS)):
            (folder / f"{task}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
            (folder / f"{task}.yaml").write_text(text.replace("FOLDER", str(folder)), encoding="utf-8")
        run("lm_eval_before", 0.2, 1, folder)
        run("lm_eval_after", 0.8, 2, folder)
