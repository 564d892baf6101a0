"""What the name of a column suggests: an outcome, a sensitive feature, a prediction, a weight, an id."""

from __future__ import annotations

import re
from collections.abc import Iterable

OUTCOMES = {"target", "label", "labels", "y", "y true", "true label", "truth", "ground truth", "outcome", "actual", "true"}
"""Names that mean the target in every field."""

PREDICTIONS = {
    "prediction", "predictions", "pred", "preds", "predicted", "predicted label", "predicted class", "yhat", "y hat",
    "y pred", "pred label", "pred class", "estimated", "forecast", "fitted", "model prediction", "model decision", "model output",
}  # fmt: skip
SCORES = {
    "score", "scores", "p", "p hat", "phat", "prob", "proba", "probability", "probabilities", "y score", "y prob", "y proba",
    "pred proba", "pred prob", "predicted probability", "predicted score", "prob 1", "proba 1", "decile score", "score text",
    "risk score", "model score", "logit", "logits", "confidence",
}  # fmt: skip
_MODEL_WORDS = {"pred", "preds", "prediction", "predicted", "hat", "yhat", "forecast", "fitted"}
_SCORE_WORDS = {"score", "p", "prob", "proba", "probability"}
WEIGHTS = {"sample weight", "weights", "sampling weight", "survey weight", "case weight", "pweight", "perwt"}
UNSURE_WEIGHTS = {"w", "weight", "wt", "fnlwgt", "final weight", "freq", "frequency", "count", "counts"}  # or a measurement
SPLITS = {"split", "fold", "subset", "partition"}

# Words that name what happened, or was decided, in the usual tables.
_EVENTS = re.compile(
    r"target|label|outcome|default(ed|er)?|approv(e|ed|al)|den(y|ied|ial)|reject(ed|ion)?|accept(ed|ance)?|admit(ted)?|grant(ed)?|"
    r"hired?|survive(d|s)?|survival|churn(ed)?|attrition|fraud(ulent)?|recid|recidivism|recidivated|readmit(ted)?|readmission|"
    r"callback|overdrawn|delinquent|delinquency|bankrupt(cy)?|diagnosis|relapsed?|died|dead|death|deceased|released|promoted|"
    r"repaid|convert(ed)?|conversion|purchased|subscribed|cancell?ed|spam|toxic|toxicity|urgent|malignant|convicted|arrested|"
    r"rearrested|recur(red|rence)?|dropout|passed|failed|failure"
)
# Whole names of an outcome in some tables, and of an input in others.
_POSSIBLE_EVENTS = re.compile(
    r"class|status|result|type|event|action|decision|arrests?|purchase|quit|card|credit|risk|response|income|(l|log)?wages?|salary|price|"
    r"earnings|pass|fail|"
    r"left|votes?|voted|good|bad|score|grade|rating|charges|cost|value|disease|win|won|award(ed)?|treat(ed)?|employed|lfp|clicked|click"
)
# Whole names of the time until something happens; it ends with the outcome, and tells of it.
_FOLLOW_UP = re.compile(r"time|futime|surv(ival)? ?time|follow ?up( time)?|time to event|days to event|duration|durat")
# Those of them that are what a table asks of each case, if it is first or last and no other can be meant: not "treated".
_ASKED = re.compile(r"status|result|decision|response|purchase|quit|card|credit|risk|income|disease|win|won|award(ed)?|clicks?")
_AMOUNTS = re.compile(r"wages?|salary|earnings")
# Words that only say more about an outcome: is_recid, two_year_recid, income-per-year, loan_approved.
_FILLERS = {
    "is", "has", "was", "got", "did", "been", "the", "loan", "credit", "account", "customer", "application", "received", "flag",
    "status", "indicator", "ind", "binary", "bool", "per", "in", "next", "one", "two", "three", "five", "ten", "day", "days",
    "week", "month", "months", "year", "years", "payment", "final", "any", "yn", "employee", "patient",
    "eur", "usd", "gbp", "dollars", "sale", "house", "median", "mean", "total", "annual", "monthly", "hourly",
}  # fmt: skip

_SENSITIVE = {
    "sex": r"sex|gender\w*|female|male|women|woman",
    "race": r"race|racial|ethni\w*|black|white|n(on)?white|hisp\w*|latin[oax]|asian|afam|african|caucasian|indigenous|caste|"
            r"minority",
    "age": r"age|ages|elderly|senior|older|younger|yob",
    "marital status": r"marit\w*|marr|married|single|divorced|widow\w*",
    "religion": r"relig\w*|muslim|christian|jewish|hindu|catholic",
    "disability": r"disab\w*|handicap\w*",
    "nationality": r"nationalit\w*|citizen\w*|foreign\w*|immigra\w*|migrant|country|origin|birthplace",
    "language": r"language|lang|accent|dialect",
    "region": r"region",
    "orientation": r"orientation|lgbt\w*|homo(sexual)?|gay|lesbian|bisexual",
    "pregnancy": r"pregnan(t|cy)",  # pregnancies is a number of them
    "skin tone": r"skintone|skincolou?r",
}
_SENSITIVE_WORDS = {concept: re.compile(words) for concept, words in _SENSITIVE.items()}
_SENSITIVE_PHRASES = {"sex": {"personal status"}, "skin tone": {"skin tone", "skin color", "skin colour", "skin type", "skin"}}
_THINGS_WITH_AN_AGE = {"account", "car", "vehicle", "house", "building", "company", "device", "loan", "policy", "property"}
_CODE_ENDINGS = re.compile(
    r"(?<=..)(code|cd|description|desc|category|cat|group|grp|status|flag|number|num|name|band|range|years|yrs|ind|key|id|worker)$"
)
_GROUP_VALUES = {
    "sex": {"male", "female", "man", "woman", "men", "women"},
    "race": {"black", "white", "asian", "hispanic", "latino", "african-american", "caucasian", "native american"},
}

PERSONAL = re.compile(
    r"(first|last|middle|full|maiden|given|family|sur)?\s?name|first|last|surname|e?\s?mail|phone( number)?|address|ssn|"
    r"social security number|dob|date of birth|birth ?date|passport|iban|street"
)
ROW_NUMBERS = re.compile(r"\s*|Unnamed: \d+|__index_level_\d+__|row ?names?|index|row|row ?(number|id|num)", re.IGNORECASE)
_IDS = {"id", "pid", "uid", "uuid", "guid", "key", "case", "row", "identifier", "number"}
_ID_WORDS = re.compile(r"(p|pat|patient|subj?|subject|case|emp|cust|acct)?id(num|nr|no)?|pat(num|nr|no)")
_CLUSTERS = {
    "patient", "subject", "speaker", "user", "household", "person", "customer", "family", "hospital", "site", "session", "student",
    "school", "doctor", "applicant", "client",
}  # fmt: skip
# Those of them that are a number of years, members, stays or visits in other tables, if they hold small numbers.
_COUNTED = {"household", "person", "family", "hospital", "site", "session", "student", "school", "doctor"}
_MAX_COUNT = 100


def words_of(name: str) -> list[str]:
    """Split a name into lower-case words: at signs, spaces, digits and capitals.

    Examples
    --------
    >>> words_of("SexCode"), words_of("income-per-year"), words_of("YTrue2")
    (['sex', 'code'], ['income', 'per', 'year'], ['y', 'true', '2'])
    """
    parts = re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_A-Za-z]+", name)
    return [part.lower() for part in parts]


def phrase(name: str) -> str:
    """Return the words of a name with spaces between them."""
    return " ".join(words_of(name))


def sensitive_concept(name: str) -> str | None:
    """Return what a name says about a person (sex, race, age …), or None.

    Examples
    --------
    >>> sensitive_concept("SexCode"), sensitive_concept("racecd"), sensitive_concept("nonwhite"), sensitive_concept("mortgage")
    ('sex', 'race', 'race', None)
    """
    words = words_of(name)
    for concept, phrases in _SENSITIVE_PHRASES.items():
        if " ".join(words) in phrases and words != ["skin"]:
            return concept
    for word in words:
        for form in (word, _CODE_ENDINGS.sub("", word), word.removeprefix("is")):
            for concept, pattern in _SENSITIVE_WORDS.items():
                if pattern.fullmatch(form) and not (concept == "age" and _THINGS_WITH_AN_AGE & set(words)):
                    return concept
    return None


def concept_of_values(values: set[str]) -> str | None:
    """Return the concept that values name, such as male and female; None unless at least two are known."""
    lowered = {value.strip().lower() for value in values}
    return next((concept for concept, known in _GROUP_VALUES.items() if len(lowered & known) >= 2), None)


def outcome_strength(name: str) -> int:
    """Return how surely a name is that of the target: 3 in every field, 2 an event, 1 possibly, 0 no hint.

    Examples
    --------
    >>> [outcome_strength(name) for name in ("label", "two_year_recid", "is_violent_recid", "class", "pulse")]
    [3, 2, 1, 1, 0]
    """
    words = [word for word in words_of(name) if not word.isdigit()]
    if phrase(name) in OUTCOMES or (" ".join(words) in OUTCOMES and words != ["y"]):  # y77 is a year
        return 3
    content = [word for word in words if word not in _FILLERS]
    if names_event(name):
        return 2 if all(_EVENTS.fullmatch(word) for word in content) else 1
    return int(bool(words) and all(_POSSIBLE_EVENTS.fullmatch(word) for word in content or words))


def names_event(name: str) -> bool:
    """Whether a name has a word for what happened, or was decided: ``is_violent_recid``, ``days_to_death``."""
    return any(_EVENTS.fullmatch(word) for word in words_of(name) if word not in _FILLERS)


def is_asked(name: str) -> bool:
    """Whether the whole name may be what a table asks of each case: ``risk``, ``credit_risk``."""
    words = [word for word in words_of(name) if not word.isdigit()]
    return bool(words) and all(_ASKED.fullmatch(word) for word in words)


def is_follow_up(name: str, others: Iterable[str] = ()) -> bool:
    """Whether the whole name is that of a time until something happens: ``futime``, ``follow_up_time``.

    Beside the amount of a credit, a duration is how long the credit was agreed for.
    """
    of_a_credit = any({"credit", "loan"} & set(words) and "amount" in words for words in map(words_of, others))
    return _FOLLOW_UP.fullmatch(phrase(name)) is not None and not (of_a_credit and phrase(name) == "duration")


def is_amount(name: str) -> bool:
    """Whether the whole name is that of an amount which is usually predicted: wage, salary."""
    return _AMOUNTS.fullmatch(phrase(name)) is not None


def is_prediction(name: str, target: str | None = None) -> bool:
    """Whether the name is that of a prediction, perhaps of this target: ``pred_urgent``."""
    return _unnumbered(name) in PREDICTIONS or (target is not None and is_prediction_of(name, target))


def is_score(name: str, target: str | None = None) -> bool:
    """Whether the name is that of a score, perhaps of this target: ``p_urgent``; a prefix such as ``v_`` is no hindrance."""
    if {phrase(name), _unnumbered(name)} & SCORES or re.fullmatch(r"\w (decile score|score text)", _unnumbered(name)):
        return True
    return target is not None and is_score_of(name, target)


def is_prediction_of(name: str, target: str) -> bool:
    """Whether a name says that the column is a prediction of just this target: ``urgent_pred``."""
    return _names_target(name, target, _MODEL_WORDS)


def is_score_of(name: str, target: str) -> bool:
    """Whether a name says that the column is a score of just this target or class: ``urgent_prob``."""
    return _names_target(name, target, _SCORE_WORDS | _MODEL_WORDS)


def is_concept(name: str) -> bool:
    """Whether the name is nothing but that of a sensitive feature: ``race``, not ``educationMale``."""
    return len(words_of(name)) == 1 and sensitive_concept(name) is not None


def _unnumbered(name: str) -> str:
    """Return the words of a name without a number at the end, as in the second of two columns of one name."""
    return re.sub(r" \d+$", "", phrase(name))


def _names_target(name: str, target: str, signs: set[str]) -> bool:
    words, target_words = words_of(name), words_of(target)
    rest = [word for word in words if word not in signs]
    return len(rest) < len(words) and bool(rest) and rest == target_words


def is_id(name: str) -> bool:
    """Whether the name is that of an id: ``case_id``, ``PassengerId``, ``key``."""
    words = words_of(name)
    if not words:
        return False
    last = words[-1]
    return last in _IDS or _ID_WORDS.fullmatch(last) is not None or (last.endswith("id") and last[:-2] in _CLUSTERS)


def is_date(name: str) -> bool:
    """Whether the name says that numbers are dates: ``date``, ``timestamp``."""
    return bool({"date", "datetime", "timestamp"} & set(words_of(name)))


def cluster_strength(name: str) -> int:
    """Return 2 if the name is that of somebody or something with several cases, 1 if it ends like one, else 0.

    Examples
    --------
    >>> [cluster_strength(name) for name in ("patient", "speaker_id", "userid", "req_school", "pulse")]
    [2, 2, 2, 1, 0]
    """
    words = [word for word in words_of(name) if word != "id"]
    if not words or not (words[-1] in _CLUSTERS or words[-1].removesuffix("id") in _CLUSTERS):
        return 0
    return 2 if len(words) == 1 or is_id(name) else 1


def may_be_count(name: str, largest: float) -> bool:
    """Whether numbers below this name may count something instead of naming clusters: years of ``school``, size of ``family``.

    Examples
    --------
    >>> may_be_count("school", 17), may_be_count("school", 9586), may_be_count("school_id", 17), may_be_count("patient", 17)
    (True, False, False, False)
    """
    return not is_id(name) and words_of(name)[-1] in _COUNTED and largest < _MAX_COUNT
