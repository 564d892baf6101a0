import pytest

from raikit.gate.aliases import Aliases
from raikit.gate.suggestions import suggest_metric

IDS = [
    "f.accuracy", "f.accuracy_ratio", "f.true_positive_rate", "f.false_positive_rate", "f.false_positive_rate_difference",
    "f.false_negative_rate", "f.equal_opportunity_difference", "f.equalized_odds_difference(*to=*)[*]", "f.*",
]  # fmt: skip
ALIASES = Aliases({
    "f.false_negative_rate_difference": "f.equal_opportunity_difference",
    "f.true_negative_rate": "1 - f.false_positive_rate",
    "f.brier_score_loss": "f.brier_score",  # which is not measured
})  # fmt: skip


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("f.false_negative_rate_diff", "f.false_negative_rate"),
        ("f.false_negative_rates_difference[sex]", "f.false_negative_rate_difference"),
        ("f.flase_negative_rate_difference", "f.false_negative_rate_difference"),
        ("false_negative_rate_difference", "f.false_negative_rate_difference"),
        ("f.treu_positive_rate", "f.true_positive_rate"),
        ("f.equalised_odds", "f.equalized_odds_difference"),
        ("f.acuracy", "f.accuracy"),
        ("f.accuracy_group_min", "f.accuracy"),
        ("f.zebra", ""),
        ("f.brier_scor", ""),
        ("f.negative_predictive_value", ""),
    ],
)
def test_the_metric_whose_words_are_shared_is_suggested_and_never_its_opposite(written, meant):
    hint = suggest_metric(written, IDS, ALIASES)
    assert hint.startswith(f" Did you mean {meant!r}") if meant else hint == ""


def test_a_suggested_alias_says_what_it_is_another_name_of():
    hint = suggest_metric("f.false_negative_rate_diference", IDS, ALIASES)
    assert hint == " Did you mean 'f.false_negative_rate_difference', another name of 'f.equal_opportunity_difference'?"
