"""A record with one of everything that a report has to show, made by hand so that no plugin is needed."""

from __future__ import annotations

import io

from PIL import Image

from raikit.run.record import (
    CheckRecord,
    DataRecord,
    Gate,
    InputRecord,
    PluginRecord,
    Provenance,
    Record,
    Rule,
    Summary,
)
from raikit.run.results import Artifact, Column, Figure, Finding, JudgedOver, Metric, Table

HOSTILE = [
    "<script>alert(1)</script>",
    "]]></style></script><!--",
    '" onmouseover="alert(1)',
    "{{ 7*7 }}{% raw %}",
    "\u202edetrever\u202c",
    "قسم الأشعة",
    "👩🏿‍🚒 firefighter",
    "",
    "a|b\n# heading `code`",
    "javascript:alert(1)",
    "x\x00\x07y\ud800z",
    "long " * 2000,
]

TONES = [
    ("dark", 0.801, 1000),
    ("medium-dark", 0.884, 1004),
    ("medium", 0.921, 998),
    ("medium-light", 0.939, 1001),
    ("light", 0.948, 997),
    ("not declared", 0.882, 17),
]
WARDS = ["emergency", "surgery", "paediatrics", "cardiology", "night shift"]


def metric(prefix: str, name: str, value: float, half: float, n: int, **fields) -> Metric:
    fields = {"unit": "rate", "method": "Clopper-Pearson", **fields}
    made = Metric(
        name, value, low=fields.pop("low", max(value - half, 0)), high=fields.pop("high", value + half), n=n, **fields
    )
    made.id = made.address(prefix)
    return made


def interval_figure(id: str, title: str, rows: list[tuple[str, float, int]], alt: str) -> Figure:
    data = [
        {
            "group": group,
            "rate": value,
            "low": max(value - 2 / n**0.5, 0),
            "high": min(value + 1.6 / n**0.5, 1),
            "rows": n,
        }
        for group, value, n in rows
    ]
    y = {"field": "group", "type": "nominal", "sort": None, "title": None}
    x = {"type": "quantitative", "axis": {"format": ".0%"}, "scale": {"zero": False}, "title": None}
    return Figure(
        id=id,
        title=title,
        subtitle="True positive rate. 95 % simultaneous intervals; dashed: all rows.",
        alt=alt,
        data=data,
        spec={
            "layer": [
                {
                    "mark": {"type": "rule", "strokeDash": [5, 3], "color": "var(--rule)", "strokeWidth": 1.5},
                    "encoding": {"x": {"datum": 0.909, **x}},
                },
                {"mark": "rule", "encoding": {"y": y, "x": {"field": "low", **x}, "x2": {"field": "high"}}},
                {"mark": "point", "encoding": {"y": y, "x": {"field": "rate", **x}}},
            ]
        },
    )


def heat_map() -> Figure:
    data = [
        {
            "ward": ward,
            "tone": tone,
            "missed": round(1 - value + 0.02 * place, 3),
            "level": f"q{min(1 + (place + 5 - order) // 2, 5)}",
        }
        for place, ward in enumerate(WARDS)
        for order, (tone, value, _) in enumerate(TONES)
    ]
    axes = {
        "y": {"field": "ward", "type": "nominal", "title": None},
        "x": {"field": "tone", "type": "nominal", "title": None, "axis": {"orient": "top", "labelAngle": -30}},
    }
    return Figure(
        id="heat",
        title="Missed cases by ward and skin tone",
        subtitle="Share of urgent cases that are called not urgent, %.",
        alt="Missed cases are most frequent for dark skin in every ward",
        data=data,
        spec={
            "encoding": axes,
            "layer": [
                {
                    "mark": "rect",
                    "encoding": {
                        "color": {
                            "field": "level",
                            "type": "ordinal",
                            "legend": None,
                            "scale": {
                                "domain": ["q1", "q2", "q3", "q4", "q5"],
                                "range": [f"var(--q{step})" for step in range(1, 6)],
                            },
                        }
                    },
                },
                {
                    "mark": "text",
                    "encoding": {
                        "text": {"field": "missed", "format": ".0%"},
                        "color": {
                            "condition": {
                                "test": "datum.level == 'q4' || datum.level == 'q5'",
                                "value": "var(--paper)",
                            },
                            "value": "var(--ink)",
                        },
                    },
                },
            ],
        },
    )


def picture() -> bytes:
    file = io.BytesIO()
    Image.linear_gradient("L").resize((160, 120)).save(file, "PNG")
    return file.getvalue()


def performance() -> CheckRecord:
    accuracy = metric(
        "performance",
        "balanced_accuracy",
        0.925,
        0.0105,
        12000,
        n_clusters=756,
        direction="higher",
        method="cluster jackknife, t",
    )
    error = metric(
        "performance",
        "expected_calibration_error",
        0.021,
        0.006,
        12000,
        direction="lower",
        unit=None,
        method="bootstrap",
        high=0.034,
    )
    return CheckRecord(
        name="performance.quality",
        pillar="performance",
        title="Quality",
        plugin="raikit",
        plugin_version="0.1.0",
        status="ok",
        seconds=1.9,
        seed=11,
        description="Utility of the predictions, `balanced_accuracy` first.",
        metrics=[
            accuracy,
            error,
            metric("performance", "roc_auc", 0.971, 0.006, 12000, unit=None, direction="higher", method="DeLong"),
            metric("performance", "log_loss", 0.2143, 0.011, 12000, unit=None, direction="lower", method="t"),
        ],
        findings=[
            Finding(
                sentence="92.5 % of cases are judged correctly, averaged over both classes.",
                what="Correct judgements",
                who="all rows",
                metrics=[accuracy.id],
                figures=["reliability"],
            )
        ],
        figures=[
            Figure(
                id="reliability",
                title="Scores can be read as probabilities",
                subtitle="Share of urgent cases in ten bins of score.",
                alt="Ten bins lie near the diagonal",
                data=[
                    {"score": step / 10 + 0.05, "share": step / 10 + 0.05 + (-1) ** step * 0.015} for step in range(10)
                ],
                spec={
                    "encoding": {
                        "x": {"field": "score", "type": "quantitative", "title": "predicted score"},
                        "y": {"field": "share", "type": "quantitative", "title": "share"},
                    },
                    "layer": [{"mark": "line"}, {"mark": "point"}],
                },
            )
        ],
    )


def fairness() -> CheckRecord:
    gap = metric(
        "fairness",
        "equalized_odds_difference",
        0.160,
        0.047,
        5017,
        n_clusters=756,
        over=["skin_tone"],
        unit="points",
        direction="lower",
        method="max-t over pairs, MOVER",
        simultaneous=True,
        p_value=0.0001,
        p_adjusted=0.0004,
        adjustment="Holm",
        minimum_detectable=0.052,
        judged=JudgedOver(
            value=0.147, low=0.11, high=0.19, left_out=["skin_tone: not declared"], reason="Fewer than 30 rows"
        ),
    )
    moved = metric(
        "fairness",
        "equal_opportunity_difference",
        0.139,
        0.072,
        4191,
        n_clusters=184,
        over=["ward"],
        unit="points",
        direction="lower",
        method="max-t over pairs, MOVER",
        simultaneous=True,
        excluded=["ward = night shift"],
    )
    ratio = metric(
        "fairness",
        "demographic_parity_ratio",
        0.87,
        0.06,
        12000,
        over=["sex"],
        unit="ratio",
        direction="higher",
        method="MOVER",
    )
    small = metric(
        "fairness",
        "equalized_odds_difference",
        0.012,
        0.03,
        12000,
        over=["sex"],
        unit="points",
        direction="lower",
        method="MOVER",
        low=0.0,
    )
    cross = metric(
        "fairness",
        "equalized_odds_difference",
        0.206,
        0.06,
        12000,
        over=["skin_tone", "sex"],
        unit="points",
        direction="lower",
        method="MOVER",
    )
    hostile = [
        metric("fairness", "selection_rate", 0.4 + place / 100, 0.08, 200 - place, over=["name"], group={"name": text})
        for place, text in enumerate(HOSTILE)
    ]
    groups = [
        metric(
            "fairness",
            "true_positive_rate",
            value,
            1.7 / n**0.5,
            n,
            over=["skin_tone"],
            group={"skin_tone": tone},
            direction="higher",
            high=min(value + 1.5 / n**0.5, 1.0),
            flags=["small_group"] if n < 30 else [],
        )
        for tone, value, n in TONES
    ]
    missing = Metric.undefined(
        "true_positive_rate", "no row of the group is positive", over=["ward"], group={"ward": None}
    )
    missing.id = missing.address("fairness")
    return CheckRecord(
        name="fairness.groups",
        pillar="fairness",
        title="Group by group",
        plugin="raikit",
        plugin_version="0.1.0",
        status="ok",
        seconds=0.4,
        seed=3,
        description="Selection and error rates of every group.",
        options={"confidence": 0.95, "min_group": 30},
        warnings=["column `ward` has 2 groups with fewer than 30 rows"],
        metrics=[gap, moved, ratio, small, cross, *groups, *hostile, missing],
        findings=[
            Finding(
                sentence="Urgent cases of people with dark skin are missed 2.9 times as often as the rest "
                "(19.9 % against 6.9 %).",
                severity="fail",
                what="Urgent cases are missed 2.9 times as often",
                who="People with dark skin",
                metrics=[gap.id],
                figures=["tones"],
            ),
            Finding(
                sentence="Urgent cases of the night shift lost 5.7 points since release 2.0.3.",
                severity="fail",
                what="The gap between wards grew",
                who="Night shift",
                certainty="paired on the same cases",
                metrics=[moved.id],
                figures=["heat"],
            ),
            Finding(
                sentence="Over the ten groups of skin tone and sex the gap is 20.6 points.",
                severity="warn",
                what="The gap across tone and sex may be too large",
                who="Worst: women with dark skin",
                metrics=[cross.id],
            ),
            Finding(
                sentence=f"Groups named {HOSTILE[0]} and {HOSTILE[1]} are not told apart by these data.",
                metrics=[hostile[0].id],
            ),
        ],
        figures=[
            interval_figure(
                "tones", "The darker the skin, the more is missed", TONES, "Dark skin 80 percent recognised, light 95"
            ),
            interval_figure(
                "wards",
                "One ward stands apart",
                [(ward, 0.83 + place / 40, 400 + place) for place, ward in enumerate(WARDS)],
                "Wards",
            ),
            interval_figure(
                "names",
                HOSTILE[0],
                [(text[:40], 0.5 + place / 40, 90) for place, text in enumerate(HOSTILE) if "\ud800" not in text],
                HOSTILE[2],
            ),
            heat_map(),
        ],
        tables=[
            Table(
                id="remedies",
                title="What a remedy would buy",
                note="Measured on the same test rows, so slightly flattering.",
                columns=[
                    Column(name="remedy", title="Remedy"),
                    Column(name="gap", title="Gap", format="percent"),
                    Column(name="p", title="p", format="p"),
                    Column(name="n", title="Rows", format="integer"),
                    Column(name="note", title="Note"),
                ],
                rows=[
                    ["As submitted", 0.16, 0.0001, 12000, None],
                    ["One threshold per tone", 0.034, 0.21, 12000, "needs the tone"],
                    [HOSTILE[1], None, None, 3, HOSTILE[5]],
                ],
            )
        ],
    )


def explainability() -> CheckRecord:
    share = metric("explainability", "protected_attribution_share", 0.19, 0.02, 600, direction="lower", method="t")
    return CheckRecord(
        name="explainability.attributions",
        pillar="explainability",
        title="Attributions",
        plugin="raikit",
        plugin_version="0.1.0",
        status="ok",
        seconds=94,
        metrics=[share],
        findings=[
            Finding(
                sentence="19 % of what moves the decision lies on the face of the person pictured.",
                severity="warn",
                metrics=[share.id],
                figures=["example"],
            ),
            Finding(
                sentence="Saliency is no better than a random order on this model.",
                severity="warn",
                certainty="95 % interval of the gain −0.02 to +0.03; 600 rows",
            ),
        ],
        figures=[
            Figure.png(
                "example",
                "What moved one decision",
                "A picture whose left side is faded",
                picture(),
                subtitle="The most confident miss.",
            ),
            Figure(
                id="modalities",
                title="The picture decides most",
                alt="Picture 57 percent, text 26, voice 13, vitals 4",
                subtitle="Share of the decision by input.",
                data=[
                    {"input": name, "share": value}
                    for name, value in (("picture", 0.57), ("text", 0.26), ("voice", 0.13), ("vitals", 0.04))
                ],
                spec={
                    "mark": "bar",
                    "encoding": {
                        "y": {"field": "input", "type": "nominal", "sort": None, "title": None},
                        "x": {"field": "share", "type": "quantitative", "axis": {"format": ".0%"}, "title": None},
                    },
                },
            ),
        ],
        artifacts=[Artifact(path="artifacts/explainability.attributions/maps.npz", title="Maps of 600 rows")],
    )


def privacy() -> CheckRecord:
    promised = Metric.exact("epsilon", 3.0, n=24000, direction="lower")
    promised.id = "privacy.epsilon"
    attack = metric("privacy", "membership_auc", 0.513, 0.016, 4000, unit=None, direction="lower", method="DeLong")
    return CheckRecord(
        name="privacy.membership",
        pillar="privacy",
        title="Membership",
        plugin="raikit",
        plugin_version="0.1.0",
        status="ok",
        seconds=311,
        metrics=[promised, attack],
        findings=[
            Finding(
                sentence="An attacker who sees the score tells members from strangers in 51 of 100 cases.",
                metrics=[attack.id],
                figures=["roc"],
            )
        ],
        figures=[
            Figure(
                id="roc",
                title="The attack is no better than a coin",
                alt="The curve lies on the diagonal",
                subtitle="Members found against false alarms.",
                data=[{"false alarms": x / 20, "found": (x / 20) ** 0.95} for x in range(21)],
                spec={
                    "mark": {"type": "line"},
                    "encoding": {
                        "x": {"field": "false alarms", "type": "quantitative"},
                        "y": {"field": "found", "type": "quantitative"},
                    },
                },
            ),
            Figure(
                id="broken",
                title="A figure that cannot be drawn",
                alt="It would show nothing",
                data=[{"a": 1}],
                spec={"mark": "no such mark"},
            ),
        ],
    )


def foreign() -> list[CheckRecord]:
    loan = metric("acme", "missed_rate", 0.158, 0.05, 212)
    house = Metric.exact("notes_without_date", 41, n=12000)
    house.id = "house.notes_without_date"
    return [
        CheckRecord(
            name="acme.loanwords",
            pillar="fairness",
            title="Loan words",
            plugin="raikit-acme",
            plugin_version="0.3.1",
            status="ok",
            seconds=0.7,
            metrics=[loan],
            findings=[
                Finding(
                    sentence="Notes with Portuguese words are missed 1.8 times as often as others "
                    "(15.8 % against 8.7 %).",
                    severity="warn",
                    metrics=[loan.id],
                )
            ],
        ),
        CheckRecord(
            name="house.notes",
            pillar="data",
            title=HOSTILE[6],
            plugin="local",
            status="ok",
            seconds=0.01,
            metrics=[house],
            findings=[Finding(sentence="41 notes carry no date.", metrics=[house.id])],
        ),
    ]


def without_result() -> list[CheckRecord]:
    return [
        CheckRecord(
            name="robustness.corruptions",
            pillar="robustness",
            title="Noise and distortion",
            plugin="raikit",
            plugin_version="0.1.0",
            status="error",
            reason="ZeroDivisionError in reverberation at severity 5, after 41 of 60 steps",
            help="Run again with `--resume`.",
            traceback='File "audio.py", line 88, in reverberate\n    gain = 1 / tail.std()\n'
            "ZeroDivisionError: <float> division by zero",
            output="step 41\n",
        ),
        CheckRecord(
            name="toxicity.words",
            pillar="toxicity",
            title="Toxic wording",
            plugin="raikit-toxicity",
            plugin_version="0.2.0",
            status="not_loaded",
            reason="No module named 'detoxify'",
            help="`pip install detoxify`",
        ),
        CheckRecord(
            name="privacy.memorisation",
            pillar="privacy",
            title="Memorised text",
            plugin="raikit",
            status="skipped",
            reason="needs a model that generates text; this one only scores",
        ),
        CheckRecord(
            name="efficiency.energy",
            pillar="efficiency",
            title="Energy",
            plugin="raikit",
            status="deselected",
            reason="switched off in audit.yaml, line 31",
        ),
        CheckRecord(
            name="house.consent",
            pillar="data",
            title="Consent",
            plugin="",
            status="missing",
            reason="gate.required names it, and nothing brings it",
            help="Install the package that does, or take it off the list.",
        ),
    ]


def rules() -> list[Rule]:
    return [
        Rule(
            id="r1",
            sentence="Gap over skin tones at most 10 points",
            metric="fairness.equalized_odds_difference[skin_tone]",
            limit=0.10,
            bound="max",
            value=0.16,
            low=0.113,
            high=0.207,
            level=0.95,
            n=5017,
            n_clusters=756,
            unit="points",
            check="fairness.groups",
            status="fail",
            reason="The whole interval breaks it.",
        ),
        Rule(
            id="r2",
            sentence="Gap over wards may grow by 2 points at most",
            metric="fairness.equal_opportunity_difference[ward]",
            kind="regression",
            limit=0.02,
            bound="max",
            value=0.061,
            low=0.028,
            high=0.094,
            n=4191,
            n_clusters=184,
            unit="points",
            check="fairness.groups",
            baseline=0.078,
            paired=True,
            status="fail",
        ),
        Rule(
            id="r3",
            sentence="Gap over skin tone and sex at most 25 points",
            metric="fairness.equalized_odds_difference[skin_tone,sex]",
            limit=0.25,
            bound="max",
            value=0.206,
            low=0.146,
            high=0.266,
            n=12000,
            unit="points",
            check="fairness.groups",
            status="inconclusive",
            rows_needed=24000,
        ),
        Rule(
            id="r4",
            sentence="Calibration error at most 0.02",
            metric="performance.expected_calibration_error",
            limit=0.02,
            bound="max",
            severity="warn",
            value=0.034,
            low=0.025,
            high=0.041,
            n=12000,
            check="performance.quality",
            status="fail",
        ),
        Rule(
            id="r5",
            sentence="Mean corruption error at most 0.20",
            metric="robustness.mean_corruption_error",
            limit=0.2,
            bound="max",
            check="robustness.corruptions",
            status="missing",
            reason="The check crashed.",
        ),
        Rule(
            id="r6",
            sentence="Attribution on faces at most 15 %",
            metric="explainability.protected_attribution_share",
            limit=0.15,
            bound="max",
            value=0.19,
            low=0.17,
            high=0.21,
            n=600,
            unit="rate",
            check="explainability.attributions",
            status="waived",
            waiver={"by": "head of triage", "until": "2027-01-31", "reason": "retraining is under way"},
        ),
        Rule(
            id="r7",
            sentence="Balanced accuracy at least 90 %",
            metric="performance.balanced_accuracy",
            limit=0.9,
            bound="min",
            value=0.925,
            low=0.9145,
            high=0.9355,
            n=12000,
            n_clusters=756,
            unit="rate",
            check="performance.quality",
            status="pass",
        ),
        Rule(
            id="r8",
            sentence="Selection ratio of the sexes at least 0.80",
            metric="fairness.demographic_parity_ratio[sex]",
            limit=0.8,
            bound="min",
            value=0.87,
            low=0.81,
            high=0.93,
            n=12000,
            unit="ratio",
            check="fairness.groups",
            status="pass",
        ),
        Rule(
            id="r9",
            sentence="Promised ε at most 8",
            metric="privacy.epsilon",
            limit=8,
            bound="max",
            value=3,
            low=3,
            high=3,
            n=24000,
            check="privacy.membership",
            status="pass",
        ),
        Rule(
            id="r10",
            sentence=HOSTILE[1],
            metric='fairness.selection_rate[name="<script>alert(1)</script>"]',
            limit=0.9,
            bound="max",
            value=0.4,
            low=0.32,
            high=0.48,
            n=200,
            unit="rate",
            check="fairness.groups",
            status="pass",
        ),
    ]


def make_record(name: str = "triage-model 2.1.0") -> Record:
    return Record(
        name=name,
        verdict="fail",
        checks=[performance(), fairness(), explainability(), privacy(), *foreign(), *without_result()],
        gate=Gate(
            verdict="fail",
            rules=rules(),
            exit_code=1,
            warnings=["`gate.allow_errors` tolerates the crash of `robustness.corruptions`."],
        ),
        summary=Summary(
            question=f"May {name} be released?",
            answer="No. Two of ten rules are broken.",
            sentences=[
                "It misses urgent cases of people with dark skin and of the night shift more often than others.",
                "One rule cannot be decided with this much data, and one was not measured.",
                "Overall quality and the privacy promise hold.",
            ],
            not_measured=["Real voices: every voice is synthetic."],
            what_would_change=[
                "The gap over skin tones must fall from 16.0 below 10 points.",
                "Another 12 000 rows would decide the rule on skin tone and sex.",
            ],
        ),
        data=DataRecord(
            source="data/cases.parquet",
            fingerprint="sha256:e2c58f4a7710bd",
            task="binary",
            task_guessed=True,
            target="urgent",
            classes=[0, 1],
            positive=1,
            inputs=[
                InputRecord(name="photo", modality="image", columns=["photo"]),
                InputRecord(name="vitals", modality="tabular", columns=["pulse", "systolic"]),
            ],
            sensitive=["sex", "skin_tone", "ward", "name"],
            cluster=["patient"],
            splits={"train": 24000, "validation": 4000, "test": 12000},
            clusters={"patient": 756},
            overlap={"ward": "all wards stand in every split"},
            credits=["Pictures: Noto Emoji, Apache-2.0, https://github.com/googlefonts/noto-emoji"],
            limits=["every voice is synthetic", HOSTILE[4]],
        ),
        model={"kind": "fusion", "parameters": 262144, "train": {"epochs": 6, "epsilon": 3.0}},
        plugins=[
            PluginRecord(name="fairness", distribution="raikit", version="0.1.0", checks=["fairness.groups"]),
            PluginRecord(name="acme", distribution="raikit-acme", version="0.3.1", checks=["acme.loanwords"]),
            PluginRecord(
                name="old", distribution="raikit-old", version="0.0.1", status="incompatible", reason="needs raikit ≥ 2"
            ),
        ],
        owner={"team": "Triage ML", "contact": "triage-ml@example.org"},
        intended_use="Ordering the queue of an emergency ward; never a diagnosis.",
        provenance=Provenance(
            run_id="2026-11-24T1840-7f3ac1",
            started="2026-11-24T18:40:12Z",
            seconds=432,
            seed=0,
            config="name: triage-model\n",
            config_path="audit.yaml",
            command="raikit audit audit.yaml --baseline runs/2.0.3",
            versions={"raikit": "0.1.0", "python": "3.11.7", "torch": "2.13.0"},
            platform="Linux x86-64, 2 cores",
            threads=1,
            rows_scored=12000,
        ),
    )
