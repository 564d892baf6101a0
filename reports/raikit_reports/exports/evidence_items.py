"""What regulations and standards ask for that an audit can give evidence of, and where a record has it.

Each item says in a few words what is asked; the text of the law or standard decides. The wording is raikit's own.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Item:
    """One item of a regulation or standard.

    Parameters
    ----------
    source, item : str
        ``EU AI Act``, ``Article 15(3)``.
    asks : str
        What is asked for.
    metrics : tuple of str
        Patterns of addresses of metrics that are evidence.
    fields : tuple of str
        Facts of the record that are evidence: names in `evidence.FIELDS`.
    """

    source: str
    item: str
    asks: str
    metrics: tuple[str, ...] = field(default=())
    fields: tuple[str, ...] = field(default=())


_NIST, _ACT, _BIAS, _ISO, _NYC = (
    "NIST AI RMF 1.0, MEASURE",
    "EU AI Act, Regulation (EU) 2024/1689",
    "prEN 18283 (draft)",
    "ISO/IEC 42001:2023, Annex A",
    "New York City Local Law 144, 6 RCNY § 5-301",
)
_GROUPS = ("fairness.*[*]",)

ITEMS = (
    Item(
        _NIST,
        "1.1",
        "Metrics for the most significant risks are chosen, and risks that are not measured are documented.",
        ("*",),
        ("rules", "not_checked"),
    ),
    Item(_NIST, "2.1", "Test sets, metrics and tools are documented.", ("*",), ("data", "software", "configuration")),
    Item(
        _NIST,
        "2.3",
        "Performance is measured for conditions like those of deployment, and documented.",
        ("performance.*",),
        ("limits",),
    ),
    Item(
        _NIST,
        "2.5",
        "Validity and reliability are shown, and limits beyond the conditions of development are documented.",
        ("performance.*",),
        ("intervals", "limits"),
    ),
    Item(_NIST, "2.8", "Risks to transparency and accountability are examined.", (), ("owner", "run_folder")),
    Item(
        _NIST,
        "2.9",
        "The model is explained, and its output is interpreted in its context.",
        ("explainability.*",),
        ("intended_use",),
    ),
    Item(_NIST, "2.10", "Privacy risk is examined and documented.", ("privacy.*",)),
    Item(_NIST, "2.11", "Fairness and bias are evaluated and documented.", _GROUPS, ("rules",)),
    Item(_NIST, "2.13", "How well the measurements themselves work is evaluated.", (), ("intervals",)),
    Item(_ACT, "Article 10(2)(f) and (g)", "Data are examined for biases that may lead to discrimination.", _GROUPS, ("limits",)),
    Item(
        _ACT,
        "Article 10(3)",
        "Data are representative and have the appropriate statistical properties, for groups too.",
        ("fairness.count*", "fairness.base_rate[*]"),
        ("splits",),
    ),
    Item(
        _ACT, "Article 15(1) and (3)", "Accuracy and its metrics are appropriate and declared.", ("performance.*",), ("intervals",)
    ),
    Item(_ACT, "Article 15(5)", "Attacks on confidentiality are considered.", ("privacy.*",)),
    Item(_ACT, "Annex IV, 1(a)", "The intended purpose is described.", (), ("intended_use", "owner")),
    Item(
        _ACT,
        "Annex IV, 2(d)",
        "Data sets, their origin, scope and characteristics are described.",
        (),
        ("data", "splits", "limits"),
    ),
    Item(
        _ACT,
        "Annex IV, 2(g)",
        "Validation and testing are described: data, metrics of accuracy and of discriminatory impact, test logs.",
        ("performance.*", *_GROUPS),
        ("rules", "run_folder"),
    ),
    Item(
        _ACT,
        "Annex IV, 3",
        "Capabilities and limits are described, with accuracy for the groups of persons concerned.",
        _GROUPS,
        ("limits", "not_checked"),
    ),
    Item(
        _BIAS,
        "Measures of bias",
        "Bias is measured between groups, for a stated purpose and population.",
        _GROUPS,
        ("intended_use",),
    ),
    Item(
        _BIAS,
        "Intersections and small groups",
        "Combinations of characteristics and groups with few cases are considered.",
        ("fairness.*[*,*]", "fairness.worst_group_excess*"),
        ("not_checked",),
    ),
    Item(_ISO, "A.5.4", "Effects on individuals and groups are assessed.", _GROUPS, ("rules",)),
    Item(_ISO, "A.6.2.4", "The system is verified and validated against stated criteria.", ("performance.*",), ("rules",)),
    Item(_ISO, "A.7.4", "Requirements on the quality of data are met.", (), ("data", "splits", "limits")),
    Item(_ISO, "A.7.5", "The provenance of data is recorded.", (), ("data", "credits")),
    Item(_ISO, "A.9.4", "The intended use is documented.", (), ("intended_use",)),
    Item(
        _NYC,
        "(b) and (c)",
        "Selection or scoring rates and impact ratios, for each category and their intersections.",
        ("fairness.selection_rate[*]", "fairness.impact_ratio*"),
    ),
    Item(
        _NYC,
        "Summary of results",
        "The date of the audit, the source of the data, and the number of persons in each category.",
        ("fairness.count*",),
        ("date", "data"),
    ),
)
