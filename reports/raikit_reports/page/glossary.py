"""Terms of the field, explained where a section uses them first: a button opens one plain sentence, without a script."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup, escape

from raikit.format import case_noun, class_text
from raikit.run.statements.vocabulary import denominator_text
from raikit_reports.texts import clean


@dataclass(frozen=True)
class Term:
    """A term with the words by which a text may name it and one sentence for people who do not know it."""

    id: str
    title: str
    pattern: str
    meaning: str


def terms(positive: object) -> list[Term]:
    """Return all terms, in the words of ``data.labels``."""
    cases, label = case_noun(), f"“{class_text(positive)}”" if positive is not None else "positive"
    positives, negatives = denominator_text("positives"), denominator_text("negatives")
    return [
        Term("tpr", "True positive rate", "true positive rate|recall", f"Of all {positives}, the share labelled {label}."),
        Term("fnr", "False negative rate", "false negative rate", f"Of all {positives}, the share that the model misses."),
        Term("fpr", "False positive rate", "false positive rate", f"Of all {negatives}, the share wrongly labelled {label}."),
        Term("sr", "Selection rate", "selection rate", f"The share of all {cases} labelled {label}, rightly or wrongly."),
        Term("acc", "Accuracy", "accuracy", f"The share of all {cases} that the model gets right."),
        Term("ci", "CI (confidence interval)", r"\d+(?:\.\d+)?% CI",
             "The range of values that fit these data; such ranges hold the true value as often as their percentage says."),
        Term("pp", "Percentage point (pp)", "percentage points?|pp", "The difference of two percentages: from 10% to 15% is 5 pp."),
        Term("cal", "Calibration", "calibration(?: error)?", "How far a score of 70% means that 70 of 100 such cases come true."),
        Term("att", "Attribution", "attributions?", "How much one input moved a decision, as an explanation method estimates it."),
        Term("mia", "Membership inference", "membership inference", "An attack that guesses which cases a model was trained on."),
        Term("auc", "AUC", "AUC", "How well scores separate two kinds: 50% is guessing, 100% is perfect."),
        Term("eps", "Epsilon (ε)", "ε|epsilon", "A proven limit on what a model reveals of one training case; smaller is better."),
        Term("ratio", "Impact ratio", "impact ratio", "The rate of a group divided by the highest rate; 1 means no difference."),
        Term("thr", "Threshold", "thresholds?", f"The score from which on a case is labelled {label}."),
    ]  # fmt: skip


@dataclass
class Glossary:
    """The terms of a page; those that its texts used are written at its end."""

    terms: Sequence[Term]
    _seen: set[str] = field(default_factory=set)
    _used: dict[str, Term] = field(default_factory=dict)

    def __post_init__(self) -> None:
        either = "|".join(f"(?P<{term.id}>{term.pattern})" for term in self.terms)
        self._pattern = re.compile(rf"(?<![\w-])(?:{either})(?![\w-])", re.IGNORECASE)

    def section(self) -> str:
        """Begin a section, in which each term is explained anew."""
        self._seen.clear()
        return ""

    def used(self) -> list[Term]:
        """Return the terms that texts have used."""
        return [term for term in self.terms if term.id in self._used]

    def mark(self, text: object) -> Markup:
        """Escape a text; the first use of a term in a section becomes a button that explains it."""
        known = {term.id: term for term in self.terms}
        parts, at, written = [], 0, clean(text)
        for match in self._pattern.finditer(written):
            name = str(match.lastgroup)
            if name in self._seen:
                continue
            self._seen.add(name)
            self._used[name] = known[name]
            button = Markup('<button type="button" class="t" popovertarget="g-{}">{}</button>').format(name, match[0])
            parts += [escape(written[at : match.start()]), button]
            at = match.end()
        return Markup("").join([*parts, escape(written[at:])])
