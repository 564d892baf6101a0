"""Open what an audit works on: the data, the model (trained first if the plan says so), the predictions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raikit.audit.refusals import refuse_absent_groups
from raikit.config.training import TRAININGS
from raikit.data.redaction import quoting_no_cells
from raikit.files import is_plain_file, write_text
from raikit.format import case_noun
from raikit.models.folder import SEARCH
from raikit.models.loaders import may_not_end, runs_code
from raikit.models.opening import MODEL_FOLDER, open_dataset, open_source, set_threads
from raikit.models.scoring import PredictionSource, score
from raikit.remote import is_remote
from raikit.run.directory import PREDICTIONS
from raikit.run.results import plain

if TYPE_CHECKING:
    from raikit.audit.plan import Plan
    from raikit.console import Console
    from raikit.data.dataset import Dataset
    from raikit.isolation.parent import Children
    from raikit.run.directory import RunDirectory

HISTORY = "history.json"
_SCORED, _PARTS = "scored.json", "scores"
_IMPORTED_BY = {  # kinds of models
    "torch": ["raikit.models.torch_module"], "sklearn": ["raikit.models.sklearn_estimator"], "onnx": ["raikit.models.onnx.model"],
    "huggingface": ["raikit.models.huggingface.loader"], "fusion": ["raikit.models.fusion"],
}  # fmt: skip


def open_data(plan: Plan) -> Dataset:
    """Open the table with the roles that the configuration gives its columns.

    Raises
    ------
    DataError
        If the table or its media cannot be used.
    ConfigError
        If a column is missing, or a rule names a group that no audited case belongs to.
    TamperedRunError
        If a picture or sound was changed since the command began.
    """
    memory = plan.request.memory
    if memory is not None and memory.table is not None:
        data = memory.open_dataset()
    else:
        data = open_dataset(plan.settings, plan.config.folder, plan.config.error)
    refuse_absent_groups(plan.config, plan.checks, data)
    copied = is_remote(plan.settings.data.path)
    plan.inputs.add([*([data.path] if copied else []), *data.media_files], are_copies=copied)
    return data


def start_model_process(plan: Plan) -> None:
    """Start the process of a model that brings code of its own, if there is one; it loads while this process reads the data."""
    if plan.children is None or not _needs_process(plan):
        return
    set_threads(plan.settings.threads)
    kind = plan.settings.model.load.kind if plan.settings.model.load is not None else ""
    plan.children.start_model("raikit.isolation.subject", *_IMPORTED_BY.get(kind, ()))


def open_predictions(
    plan: Plan, data: Dataset, run: RunDirectory, children: Children | None, console: Console
) -> PredictionSource:
    """Train the model unless an interrupted run has, or load what the configuration names.

    A model that brings code of its own, a function of the user's or a plugin's loader, is opened in a process of its own, and so is
    a graph of ONNX, which may have a loop without an end.
    """
    settings = plan.settings
    set_threads(settings.threads)
    trained = run.folder / MODEL_FOLDER
    if settings.model.train is not None:
        run.clear(run.work / "training", trained)
        if not run.was_left(trained):
            train_model(plan, data, run.work / "training", trained, console)
        run.keep(*(path for path in trained.rglob("*") if path.is_file()))
    return open_loaded(plan, data, run.folder, run.work, children)


def open_loaded(plan: Plan, data: Dataset, run: Path, work: Path, children: Children | None) -> PredictionSource:
    """Open what the configuration names, or what this audit has trained into `run`, in a process of its own if it needs one."""
    settings = plan.settings
    if children is not None:
        loader = plan.registry.loader_owners.get(str(settings.model.load and settings.model.load.kind))
        children.tell(run=str(run.resolve()), loader=loader, config=config_for_children(plan, data))
    with quoting_no_cells(data):
        if children is not None and _needs_process(plan):
            from raikit.isolation.model import RemoteModel

            return RemoteModel.open(children.model, data, work, settings.model.timeout)
        return open_source(settings, data, run, plan.config.folder, plan.registry.loaders)


def config_for_children(plan: Plan, data: Dataset | None) -> dict[str, Any]:
    """Return the configuration from which a child process opens the same data, of a table on another filesystem the copy."""
    config = plan.settings.model_dump(mode="json")
    if data is not None:
        config["data"]["path"] = str(data.path.absolute())
    return config


def _needs_process(plan: Plan) -> bool:
    """Whether opening the model runs code that is not raikit's own, or may never end."""
    load = plan.settings.model.load
    if load is None:
        return False
    spec = load.model_dump()
    return runs_code(spec) or may_not_end(spec, plan.config.folder) or load.kind in plan.registry.loader_owners


def train_model(plan: Plan, data: Dataset, workdir: Path, target: Path, console: Console) -> None:
    """Train a model and rename it to `target` when it is complete; resumes from `workdir`."""
    from raikit.models.training import train as train_as

    train = plan.settings.model.train
    assert train is not None
    workdir.mkdir(parents=True, exist_ok=True)
    console.say(f"Training a {train.kind} model on {data.size('train'):,} {case_noun()}")
    search = TRAININGS[train.kind].model_validate(train.model_extra).search  # type: ignore[attr-defined]
    complete = workdir / "finished"
    if search is None:
        with console.progress("training") as step, quoting_no_cells(data):
            model, history = train_as(train, data, plan.config.folder, plan.seed, workdir, step)
        model.save(complete)
    else:
        from raikit.audit.search import search_and_train

        with quoting_no_cells(data):
            model, history, outcome = search_and_train(plan, data, search, workdir, console)
        model.save(complete)
        write_text(complete / SEARCH, json.dumps(plain(outcome.to_dict()), indent=1))
    write_text(complete / HISTORY, json.dumps(history.to_dict(), indent=1))
    plan.inputs.refuse_changes()
    complete.rename(target)


def score_cases(source: PredictionSource, data: Dataset, run: RunDirectory, console: Console) -> int:
    """Write ``predictions.parquet`` unless an interrupted run has; return the number of cases that the model scored."""
    journal = run.work / _SCORED
    if run.was_left(journal) and is_plain_file(run.folder / PREDICTIONS):
        run.keep(run.folder / PREDICTIONS)
        return run.read_left(journal, lambda content: int(json.loads(content)["cases"]))
    parts = run.work / _PARTS
    run.clear(parts)
    with console.progress("scoring") as step, quoting_no_cells(data):
        cases = score(source, data, run.folder / PREDICTIONS, progress=step, parts=parts)
    run.keep(run.folder / PREDICTIONS)
    write_text(journal, json.dumps({"cases": cases}))
    return cases


def describe_model(source: PredictionSource, run: RunDirectory, was_trained: bool) -> dict[str, Any]:
    """Return what the record says of the model, with the history of its training if this run has trained it."""
    history = run.folder / MODEL_FOLDER / HISTORY
    if not was_trained or not history.is_file():  # in a run without training, another process has put it there
        return source.describe()
    described = source.describe() | {"history": run.read_left(history, json.loads)}
    search = run.folder / MODEL_FOLDER / SEARCH
    return described | ({"search": run.read_left(search, json.loads)} if search.is_file() else {})
