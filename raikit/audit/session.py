"""Audits of objects in memory, for notebooks and scripts; the stages are those of every audit."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from raikit.audit.arguments import Call, named
from raikit.audit.conductor import audit as run_audit
from raikit.audit.notebook_console import NotebookConsole, console_for
from raikit.audit.plan import Request
from raikit.audit.result import AuditResult
from raikit.errors import RaikitError, RunError

if TYPE_CHECKING:
    from raikit.audit.memory import InMemory
    from raikit.console import Console


def audit(
    data: Any,
    model: Any = None,
    *,
    target: str | Sequence[str] | None = None,
    sensitive: str | Sequence[Any] = (),
    prediction: Any = None,
    score: Any = None,
    threshold: float | None = None,
    inputs: str | Sequence[str] | Mapping[str, Any] | None = None,
    id: str | None = None,
    classes: Sequence[Any] | None = None,
    positive: Any = None,
    favourable: Any = None,
    task: str | None = None,
    reference: Mapping[str, Any] | None = None,
    labels: Mapping[str, Any] | None = None,
    unit: str | Mapping[str, str] | None = None,
    cluster: str | Sequence[str] | None = None,
    weight: str | None = None,
    split: str | Mapping[str, Any] | None = None,
    rules: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    checks: Sequence[str] | Mapping[str, Any] | None = None,
    name: str | None = None,
    confidence: float | None = None,
    seed: int | None = None,
    progress: bool = True,
    out: str | Path | None = None,
    formats: Sequence[str] | None = None,
    config: Mapping[str, Any] | None = None,
) -> AuditResult:
    """Audit a model or its predictions on data, both of which may be objects in memory.

    Parameters
    ----------
    data : DataFrame, table, mapping of name to array, or path
        A table of pandas, polars or Arrow, arrays by name, or a file as ``data.path`` of audit.yaml. It is not changed.
    model : estimator, module, pipeline, function or Model, optional
        A fitted estimator of scikit-learn; a `torch.nn.Module`, of which a copy is audited; a pipeline of transformers, of which
        a copy in float32 is audited; a function that gets a DataFrame of cases and returns their scores; or a `raikit.Model`,
        which is used as it is. Absent: `prediction` or `score` has what the model gave.
    target : str or sequence of str
        The column of the truth. None if it is not known, which needs `prediction`.
    sensitive : str or sequence
        Columns whose groups are compared; numbers with bins as ``{"column": "age", "bins": [25, 40]}``.
    prediction : str or array_like, shape (n,), optional
        Decisions, as a column or as values.
    score : str, array_like, shape (n,), or mapping of class to one of them, optional
        Probabilities of the positive class, or of each class.
    threshold : float, in [0, 1], optional
        A score from this on is a positive prediction; absent: 0.5.
    inputs : str, sequence of str, or mapping, optional
        The columns that the model reads, or inputs by name as in audit.yaml. Absent: those that an estimator was fitted on, else
        all columns without another role.
    id, classes, positive, favourable, task, reference, labels, unit, cluster, weight, split : optional
        As the keys of ``data`` in audit.yaml.
    rules : mapping of metric to limit, or sequence of mappings, optional
        A number is a maximum; ``{"min": 0.8}`` is a minimum. A list holds rules as ``gate.rules`` of audit.yaml.
    checks : sequence of str, or mapping of check to options, optional
        Absent: every applicable quick check.
    name : str, optional
        Name of the model.
    confidence : float, in (0.5, 1), optional
        Absent: 0.95.
    seed : int, optional
        Absent: 0.
    progress : bool
        Whether progress is shown: a bar in a notebook or terminal, else plain lines on stderr.
    out : str or Path, optional
        An empty or new folder for the run, as the command line writes it. Absent: nothing is kept but the result.
    formats : sequence of str, optional
        Report formats that are written to `out`; absent: html, json and md.
    config : mapping, optional
        Further keys of audit.yaml, such as ``{"data": {"missing": ["NA"]}}``.

    Returns
    -------
    AuditResult
        A notebook shows its summary.

    Raises
    ------
    ConfigError, DataError, ModelError, RunError
        If an argument, the data, the model or the folder cannot be used. The message names the argument.

    Notes
    -----
    Objects cannot cross into another process. Where the table or the model is one, plugins and model run in this process. The
    record says so: ``provenance.isolation`` is ``none``, and ``provenance.in_memory`` names the objects. Checks, intervals and
    rules are the same as those of ``raikit audit``.

    Examples
    --------
    >>> import raikit
    >>> cases = {"y": [0, 1] * 40, "p": [0.2, 0.7] * 40, "sex": ["F", "M", "F", "F"] * 20}
    >>> result = raikit.audit(cases, target="y", score="p", sensitive="sex", checks=["performance.classification"],
    ...                       rules={"performance.accuracy": {"min": 0.8}}, progress=False)
    >>> result.verdict
    'pass'
    """
    keys = {
        "target": target, "sensitive": sensitive, "id": id, "classes": classes, "positive": positive, "favourable": favourable,
        "task": task, "reference": reference, "labels": labels, "unit": unit, "cluster": cluster, "weight": weight, "split": split,
    }  # fmt: skip
    sections: dict[str, Any] = {
        "name": name, "confidence": confidence, "seed": seed, "checks": _checks(checks),
        "formats": list(formats) if formats is not None else None if out is not None else [],
    }  # fmt: skip
    try:
        call = Call(data, model, keys, prediction, score, threshold, inputs, rules, sections, config)
        memory = call.in_memory()
        return _run(memory, None if out is None else Path(out), console_for(progress))
    except RaikitError as error:
        of_model = "model" if model is not None else "prediction" if score is None else "score"
        raise named(error, of_model) from error.__cause__


def _run(memory: InMemory, out: Path | None, console: Console) -> AuditResult:
    """Run the audit into `out`, or into a folder that lasts as long as the result."""
    if out is not None and out.is_dir() and any(out.iterdir()):
        raise RunError(f"out: {out} is not empty; choose another folder.")
    folder = Path(tempfile.mkdtemp(prefix="raikit-")) if out is None else out
    isolation: Literal["none", "process"] = "none" if memory.objects else "process"
    try:
        outcome = run_audit(Request(memory.config.document.path, folder, memory=memory, isolation=isolation), console)
    except BaseException as error:
        if out is None:
            shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt("the audit was interrupted") from None  # Only the command line can resume one.
        raise
    finally:
        if isinstance(console, NotebookConsole):
            console.clear()
    result = AuditResult(outcome.record, outcome.folder)
    if out is None:
        weakref.finalize(result, shutil.rmtree, folder, ignore_errors=True)
    return result


def _checks(checks: Sequence[str] | Mapping[str, Any] | None) -> dict[str, Any] | None:
    if checks is None or isinstance(checks, Mapping):
        return None if checks is None else dict(checks)
    return {check: {} for check in ([checks] if isinstance(checks, str) else checks)}
