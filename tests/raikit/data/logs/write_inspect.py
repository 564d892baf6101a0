"""Write the logs of Inspect in this folder: pip install inspect-ai; python write_inspect.py.

The model is Inspect's own `mockllm`, which answers from a list, so that nothing is downloaded. Two runs of a task as .eval; the
second one answers worse in French, and one of its samples ends in an error. One of fewer samples as .json. Samples have groups in their metadata, two epochs
and two scorers. The events of samples, which no importer reads, are removed to keep the files small.
"""

import itertools
import random
import tempfile
from pathlib import Path

from inspect_ai import Task, eval, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.log import read_eval_log, write_eval_log
from inspect_ai.model import ModelOutput, ModelUsage, get_model
from inspect_ai.scorer import Score, includes, mean, scorer
from inspect_ai.solver import generate

EPOCHS = 2
HERE = Path(__file__).parent


def samples(count=48):
    draw = random.Random(7)
    for number in range(count):
        first, second = draw.randint(2, 99), draw.randint(2, 99)
        language = "French" if number % 2 else "English"
        yield Sample(
            id=f"sum-{number:02}",
            input=f"{first} + {second}?",
            target=str(first + second),
            metadata={
                "language": language,
                "digits": len(f"{first}{second}"),
                "reviewed": number % 3 == 0,
                "tags": ["sum"],
                "score": number,
            },
        )


@scorer(metrics=[mean()])
def brevity():
    async def score(state, target):
        return Score(value=1 / len(state.output.completion.split()), answer=state.output.completion)

    return score


@task
def sums(count=48):
    return Task(dataset=MemoryDataset(list(samples(count))), solver=generate(), scorer=[includes(), brevity()], epochs=EPOCHS)


def model_that_errs(share_wrong, seed, fails):
    """Return a model that knows all answers, and gives a share of them wrongly."""
    draw, calls = random.Random(seed), itertools.count()
    by_question = {sample.input: sample for sample in samples()}

    def answer(messages, *_):
        sample = by_question[messages[-1].text]
        wrong = draw.random() < share_wrong[sample.metadata["language"]]
        if next(calls) == fails:
            raise RuntimeError("no answer from the model")
        usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
        text = "I do not know" if wrong else f"It is {sample.target}"
        return ModelOutput.from_content("mockllm/model", text).model_copy(update={"usage": usage})

    return get_model("mockllm/model", custom_outputs=answer, memoize=False)


def run(name, share_wrong, seed, fails=None, count=48):
    model = model_that_errs(share_wrong, seed, fails)
    with tempfile.TemporaryDirectory() as folder:
        options = {"log_dir": folder, "max_samples": 1, "max_connections": 1, "display": "none", "fail_on_error": False}
        (log,) = eval(sums(count), model=model, **options)
        log = read_eval_log(log.location)
    for sample in log.samples:
        sample.events = []
        sample.events_data = None
        if sample.error is not None:  # it names folders of the machine
            sample.error.traceback = sample.error.traceback_ansi = sample.error.message
    write_eval_log(log, HERE / name)


if __name__ == "__main__":
    run("inspect_before.eval", {"French": 0.25, "English": 0.25}, 1)
    run("inspect_after.eval", {"French": 0.8, "English": 0.25}, 2, fails=11)
    run("inspect_small.json", {"French": 0.8, "English": 0.25}, 3, fails=6, count=8)
