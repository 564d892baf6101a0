"""Assign a role to every column, one kind of role after the other; what is assigned is not looked at again."""

from __future__ import annotations

from typing import Any

import pandas as pd

from raikit.address import text
from raikit.data.groups import bin_edges
from raikit.data.guess import names
from raikit.data.guess.leakage import Leak, find_same, is_coarser, measure_leak, presence_tells, signatures
from raikit.data.guess.lists import (
    LABELS,
    ListTarget,
    ask_for_lists,
    find_list_target,
    holds_numbers,
    may_be_label,
    offer_labels,
)
from raikit.data.guess.outputs import find_outputs
from raikit.data.guess.profile import Profile, is_row_number, profile
from raikit.data.guess.reading import assign_read_columns, column_of_classes
from raikit.data.guess.roles import ModelFacts, Question, RoleGuess
from raikit.data.guess.targets import MAX_CANDIDATES, positive_class, rank_targets
from raikit.data.splits import SPELLINGS, TEST, TRAIN
from raikit.errors import DataError

_MAX_GROUPS = 20
_MAX_CATEGORIES = 100
_CASES_PER_CATEGORY = 20
_FEW_CLUSTERS, _MIN_CLUSTERS = 3, 11  # student: yes or no, person: 0 or 1 are no clusters
_MIN_REPEATED_IDS = 20
_UNUSABLE = {
    "empty": "no values",
    "constant": "one value only",
    "nested": "lists or mappings",
    "bytes": "bytes in no known format of pictures or sounds",
    "date": "dates; derive numbers from them, such as days between two",
}
_NUMBERS = "lists of numbers; tags and labels are read by name"
_NO_TARGET = {"image": "it holds pictures", "audio": "it holds sounds", "date": "it holds dates"}
_NAMED_OUTCOME = "has the name of an outcome"
_LOADS = (
    "{load: {kind: huggingface, path: FOLDER}} or {load: {kind: predictions, prediction: COLUMN}}; raikit trains no model for lists"
)
_IDS = "different in (almost) every row"


def assign_roles(table: pd.DataFrame, target: str | None = None, model: ModelFacts | None = None) -> RoleGuess:
    """Guess the role of each column; `target` is one that a person has named, `model` one that is there.

    Raises
    ------
    DataError
        If the named column cannot be a target.
    """
    assignment = _Assignment(table)
    assignment.guess.trained_elsewhere = model is not None
    flags = assignment.find_flags(model)
    if not flags and target is None and model is not None:
        target = column_of_classes(assignment.profiles, model.labels)
    listed = None if flags else find_list_target(table, assignment.profiles, target)
    if listed is None and not flags and target is None and model is not None and model.task is not None:
        listed = ask_for_lists(model)
    if listed is not None:
        assignment.take_lists(listed)
    elif target is not None:
        kind = assignment.profiles[assignment.take(target)].kind
        if kind not in ("boolean", "number", "text"):
            raise DataError(f"column {target!r} cannot be the target: {_NO_TARGET.get(kind) or _UNUSABLE[kind]}.")
    assignment.leave_out_unusable()
    assignment.find_sensitive()
    assignment.find_split_and_weight()
    assignment.find_ids()
    if listed is None and not flags:
        assignment.choose_target(target)
    if assignment.guess.target is None:
        return assignment.guess
    if model is not None or listed is not None:
        assignment.assign_what_is_read(model)
        return assignment.guess
    assignment.find_outputs()
    if not assignment.guess.has_predictions:
        assignment.find_leaks()
        assignment.assign_inputs()
    assignment.leave_out_rest()
    return assignment.guess


class _Assignment:
    """The guess so far, and the columns that have no role yet."""

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table
        self.guess = RoleGuess(columns=list(table.columns))
        self.profiles: dict[str, Profile] = {name: profile(table[name]) for name in table.columns}
        self.signatures = signatures(table, self.profiles)
        self.left = list(table.columns)
        self.named = True  # whether a name suggests the target

    def take(self, column: str) -> str:
        """Remove a column from those without a role."""
        self.left.remove(column)
        return column

    def leave_out(self, column: str, reason: str) -> None:
        """Leave a column out for a reason."""
        self.guess.left_out[self.take(column)] = reason

    def find_flags(self, model: ModelFacts | None) -> bool:
        """Take the columns of 0 and 1 that have the names of a model's labels, if it gives a case several."""
        labels = list(model.labels) if model is not None and model.task == LABELS else []
        if not labels or not all(name in self.left and self.profiles[name].is_flag for name in labels):
            return False
        self.guess.target, self.guess.task = [self.take(name) for name in labels], LABELS
        return True

    def take_lists(self, listed: ListTarget) -> None:
        """Take the columns of a target that is a list."""
        self.guess.target, self.guess.task, self.guess.sequence = listed.target, listed.task, listed.sequence
        for column in (listed.target, listed.text, listed.sequence):
            if isinstance(column, str):
                self.take(column)
        self.guess.text = [listed.text] if listed.text else []
        if isinstance(listed.target, str) and not self.guess.trained_elsewhere:  # no folder of a model was named
            predicted = self._predicted_lists(listed.target)
            self.guess.prediction = self.take(predicted) if predicted is not None else None

    def _predicted_lists(self, target: str) -> str | None:
        """Return the column of predictions of the same kind as the target."""
        kind = self.profiles[target].kind
        return next((name for name in self.left if names.is_prediction(name, target) and self.profiles[name].kind == kind), None)

    def assign_what_is_read(self, model: ModelFacts | None) -> None:
        """Assign the inputs of a model that is there, or of one for lists, which raikit does not train."""
        guess = self.guess
        if guess.has_predictions:
            self.leave_out_rest()
            return
        if model is None:
            guess.trained_elsewhere = True
            guess.model = Question(_LOADS)
        considered = [] if guess.text else assign_read_columns(guess, self.profiles, self.left, model)
        for column in considered:
            self.take(column)
        for column in list(self.left):
            self.leave_out(column, "not read by the model" if model else "not read by models for such lists")

    def leave_out_unusable(self) -> None:
        """Leave out what no model reads: empty and constant columns, lists, dates, row numbers, what identifies a person."""
        for column in list(self.left):
            if (reason := self._why_unusable(column, self.profiles[column])) is not None:
                self.leave_out(column, reason)

    def _why_unusable(self, column: str, about: Profile) -> str | None:
        if about.kind in _UNUSABLE:
            return _NUMBERS if about.kind == "nested" and holds_numbers(self.table[column]) else _UNUSABLE[about.kind]
        counts = names.ROW_NUMBERS.fullmatch(column) if about.is_unique else None
        if counts or (is_row_number(self.table[column]) and not names.is_id(column)):
            return "row numbers"
        if names.is_date(column) and about.kind == "number" and about.whole:
            return _UNUSABLE["date"]
        many = about.kind == "text" and about.distinct > _MAX_GROUPS
        return "identifies a person" if many and names.PERSONAL.fullmatch(names.phrase(column)) else None

    def find_sensitive(self) -> None:
        """Name the sensitive features; of two columns that say the same, the one in words."""
        concepts: dict[str, str] = {}
        for column in list(self.left):
            about = self.profiles[column]
            concept = names.sensitive_concept(column) or names.concept_of_values(set(map(str, about.values)))
            if concept is None or names.outcome_strength(column) == 3 or about.kind not in ("boolean", "number", "text"):
                continue
            many = about.distinct > _MAX_GROUPS
            if many and about.kind == "number" and concept != "age" and not names.is_concept(column):
                continue  # a measurement, such as lifeFemale
            if many and (about.kind == "text" or concept != "age"):
                self.leave_out(column, f"{about.distinct:,} groups; merge rare ones, and name it under sensitive")
            elif (other := self._same_name(column, concepts)) is not None:
                self.leave_out(column, f"{other!r} in another case; rename one of them to use both")
            else:
                concepts[self.take(column)] = concept
        for column in self._without_repeats(concepts):
            many = self.profiles[column].distinct > _MAX_GROUPS
            self.guess.sensitive.append((column, bin_edges(self.table[column], 4) if many else None))
        self._leave_out_same([column for column, _ in self.guess.sensitive])

    def _leave_out_same(self, others: list[str]) -> None:
        """Leave out columns that say the same as one of the others, such as codes of sex."""
        for column in list(self.left):
            if names.outcome_strength(column) >= 2 or names.is_prediction(column) or names.is_score(column):
                continue
            if (same := find_same(column, self.signatures, others)) is not None:
                self.leave_out(column, f"says the same as {same!r}")

    def _same_name(self, column: str, others: dict[str, str]) -> str | None:
        return next((other for other in others if other.lower() == column.lower()), None)

    def _without_repeats(self, concepts: dict[str, str]) -> list[str]:
        """Return the sensitive columns without codes of another one, and without numbers that another one groups."""
        kept: list[str] = []
        for column in sorted(concepts, key=lambda name: self.profiles[name].kind != "text"):
            about = self.profiles[column]
            same = find_same(column, self.signatures, kept)
            groups = [
                name
                for name in concepts
                if about.distinct > _MAX_GROUPS >= self.profiles[name].distinct
                and concepts[name] == concepts[column]
                and is_coarser(self.table[column], self.table[name])
            ]
            if same is not None or groups:
                self.guess.left_out[column] = f"says the same as {same!r}" if same else f"grouped in {groups[0]!r}"
            else:
                kept.append(column)
        return [column for column in concepts if column in kept]

    def find_split_and_weight(self) -> None:
        """Find the column of splits and that of sampling weights, which may be a measurement of a body."""
        for column in list(self.left):
            phrase, values = names.phrase(column), self.table[column]
            if phrase in names.SPLITS and self.guess.split is None and _is_split(values):
                self.guess.split = self.take(column)
            elif phrase in names.WEIGHTS and self.guess.weight is None and _is_weight(values):
                self.guess.weight = self.take(column)
        for column in list(self.left):
            if names.phrase(column) in names.UNSURE_WEIGHTS and self.guess.weight is None and _is_weight(self.table[column]):
                if {"height", "bmi"} & {name.lower() for name in self.guess.columns}:
                    continue
                self.take(column)
                self.guess.weight = Question(f"{column}, or delete this line if it is no sampling weight and no count of cases")

    def find_ids(self) -> None:
        """Find the id, and the ids of patients or others with several cases."""
        for column in list(self.left):
            about = self.profiles[column]
            named = names.is_id(column)
            if about.kind not in ("text", "number") or (about.kind == "number" and not about.whole):
                continue
            strength = names.cluster_strength(column)
            needed = _FEW_CLUSTERS if strength == 2 and about.kind == "text" else _MIN_CLUSTERS
            if strength and needed <= about.distinct < about.rows:
                counts = about.kind == "number" and names.may_be_count(column, float(self.table[column].max()))
                (self.guess.unsure_clusters if counts else self.guess.cluster).append(self.take(column))
            elif (named or strength) and about.is_unique:
                if self.guess.id is None and named:
                    self.guess.id = self.take(column)
                else:
                    self.leave_out(column, _IDS)
            elif named and about.distinct > _MIN_REPEATED_IDS and not about.missing and column.lower().endswith("id"):
                self.guess.cluster.append(self.take(column))
            elif named and (about.kind == "text" or column.lower().endswith("id")):
                self.leave_out(column, "repeated ids; name it under cluster if its cases are not independent")

    def choose_target(self, target: str | None) -> None:
        """Choose the target, its task and its positive class, or ask."""
        candidates: list[str] = []
        if target is None:
            target, candidates, self.named = rank_targets(
                {name: self.profiles[name] for name in self.left},
                about_people=bool(self.guess.sensitive),
                ends=(self.guess.columns[0], self.guess.columns[-1]),
            )
            if target is not None and names.outcome_strength(target) < 3 and self._together([target]):
                candidates = [target, *(name for name in self.left if name != target and may_be_label(name, self.profiles[name]))]
                target = None
            for name in [target] if target else candidates:
                self.take(name)
        if target is None:
            self.guess.candidates = candidates
            choice = _one_of(candidates, self.named) if len(candidates) <= MAX_CANDIDATES else "the column to predict"
            self.guess.target = Question(choice + self._together(candidates)) if candidates else None
            return
        self.guess.target = target
        about = self.profiles[target]
        self.guess.missing_targets = about.missing
        self.guess.task = _task(target, about)
        if self.guess.task == "binary" and {text(value) for value in about.values} not in ({"0", "1"}, {"false", "true"}):
            self.guess.positive = positive_class(target, about)
            if self.guess.positive is None:
                self.guess.positive = Question(_one_of([text(value) for value in about.values], closed=True))

    def _together(self, candidates: list[str]) -> str:
        """Offer columns of 0 and 1 as the labels of a case; "" where they are none."""
        return offer_labels({name: self.profiles[name] for name in self.guess.columns}, [*self.left, *candidates], candidates)

    def find_outputs(self) -> None:
        """Find predictions and scores; leave out what looks like a model's output but is neither."""
        for column in find_outputs(self.guess, self.table, self.profiles, self.left):
            self.take(column)

    def find_leaks(self) -> None:
        """Measure how much each column tells about the target; leave out what tells nearly everything, ask about the rest."""
        known = isinstance(self.guess.target, str)
        for column in list(self.left):
            if self.profiles[column].kind not in ("boolean", "number", "text"):
                continue
            leaks = {target: self._leak(column, target) for target in self.guess.targets[:MAX_CANDIDATES]}
            target, leak = max(leaks.items(), key=lambda item: item[1].value)
            of_target = "" if known else f" of {target}"
            if known and leak.is_sure:
                self.leave_out(column, f"nearly tells {target!r} ({leak}); it may be known only afterwards")
            elif leak.is_possible:
                self.guess.suspects[column] = f"{leak}{of_target}"
            elif (told := self._presence(column)) is not None or not self.named:
                self.guess.suspects[column] = told or ""
            elif names.names_event(column):
                self.guess.suspects[column] = _NAMED_OUTCOME
            elif names.is_follow_up(column, self.guess.columns) and self.profiles[target].is_category:
                self.guess.suspects[column] = "a time that may end with the outcome"
        # Another candidate for the target may be an outcome, too.
        self.guess.suspects = dict.fromkeys(self.guess.candidates, "") | self.guess.suspects

    def _presence(self, column: str) -> str | None:
        """Say whether having a value decides a class of the target, or of a candidate."""
        classes = [name for name in self.guess.targets if self.profiles[name].is_category]
        told = (presence_tells(self.table[column], self.table[target]) for target in classes)
        return next((sentence for sentence in told if sentence is not None), None)

    def _leak(self, column: str, target: str) -> Leak:
        regression = _task(target, self.profiles[target]) == "regression"
        return measure_leak(self.table[column], self.table[target], regression)

    def assign_inputs(self) -> None:
        """Assign what is left to the inputs of a model, as far as one can read it."""
        for column in reversed(self.left.copy()):
            if (same := find_same(column, self.signatures, self.left[: self.left.index(column)])) is not None:
                self.leave_out(column, f"says the same as {same!r}")
        for column in list(self.left):
            about = self.profiles[column]
            if about.kind in ("image", "audio"):
                self.guess.media[self.take(column)] = about.kind
            elif about.kind in ("number", "boolean") or (about.kind == "text" and _are_categories(about)):
                self.guess.tabular.append(self.take(column))
            elif about.kind == "text" and about.words >= 1:
                self.guess.text.append(self.take(column))
            else:
                unique = about.distinct > 0.9 * (about.rows - about.missing)
                self.leave_out(column, _IDS if unique else f"{about.distinct:,} different codes or names")

    def leave_out_rest(self) -> None:
        """Leave out what predictions do not need, and ask for inputs that may be known only afterwards."""
        for column in list(self.left):
            self.leave_out(column, "not needed, because the table holds predictions")
        if self.guess.has_predictions and len(self.guess.candidates) > MAX_CANDIDATES:
            self.guess.left_out |= dict.fromkeys(self.guess.candidates, "not needed, unless it is the target")
        for column, told in list(self.guess.suspects.items()):
            if column in self.guess.tabular:
                self.guess.tabular.remove(column)
            elif column not in self.guess.candidates:
                del self.guess.suspects[column]
                if column in self.guess.text:
                    self.guess.text.remove(column)
                    self.guess.left_out[column] = f"{_suspicion(told)} be known only afterwards"


def _suspicion(told: str) -> str:
    """Return why a text may be known only afterwards, up to the verb."""
    if told == _NAMED_OUTCOME:
        return f"{told}; it may"
    return f"tells much of the target ({told}); it may" if told else "text that may"


def _one_of(choices: list[str], closed: bool) -> str:
    """Write a choice: ``one of a, b or c``, or another column unless these are all."""
    choices = choices if closed and len(choices) > 1 else [*choices, "another column"]
    return f"one of {', '.join(choices[:-1])} or {choices[-1]}" if len(choices) > 2 else " or ".join(choices)


def _task(target: str, about: Profile) -> str | Question:
    """Return the task, or ask whether a few whole numbers are classes or amounts."""
    if about.distinct <= 2:
        return "binary"
    if about.kind != "number":
        return "multiclass"
    if not about.whole or not about.is_category:
        return "regression"
    if names.outcome_strength(target) == 3 and sorted(about.values) in (
        list(range(about.distinct)),
        list(range(1, about.distinct + 1)),
    ):
        return "multiclass"
    return Question(f"multiclass (the {about.distinct} numbers are classes) or regression (they are amounts)")


def _are_categories(about: Profile) -> bool:
    few = about.distinct <= _MAX_CATEGORIES and about.rows >= _CASES_PER_CATEGORY * about.distinct
    return about.distinct <= _MAX_GROUPS or few


def _is_split(values: pd.Series[Any]) -> bool:
    spelled = {SPELLINGS.get(str(value).strip().lower()) for value in values.dropna().unique()}
    return not values.isna().any() and None not in spelled and {TRAIN, TEST} <= spelled


def _is_weight(values: pd.Series[Any]) -> bool:
    return bool(
        pd.api.types.is_numeric_dtype(values) and values.between(0, float("inf"), "left").all() and values.any()
    )
