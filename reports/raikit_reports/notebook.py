"""``notebook.html``: what a notebook shows of an audit, a part of a page with a style of its own and no script.

All words are those of `raikit.statements`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

import raikit
from raikit.files import write_text
from raikit.run.owners import FIRST_PARTY
from raikit.run.summary import question_about
from raikit_reports import verdicts
from raikit_reports.page import figures
from raikit_reports.texts import flat

RULES_SHOWN, FINDINGS_SHOWN, CHANGES_SHOWN = 12, 6, 6
_WORDS = {"rule_broken": "Broken", "undecided": "Undecided", "not_measured": "Not measured", "waived": "Waived"}
_DARK = (
    "--ink:#e8eaed;--ink-2:#a9b0b8;--line:#3c4249;--q1:#2a3037;--q2:#4a545f;--q3:#75828f;--q4:#a3afbb;--q5:#d5dce3;"
    "--bad:#ff8a80;--open:#e6c35c"
)
# A notebook has its own switch between light and dark, which may differ from that of the system.
STYLE = f"""
.raikit{{--ink:#1b1f24;--ink-2:#59636e;--line:#d5dae0;--q1:#eff1f4;--q2:#c5ccd5;--q3:#a7b1bd;--q4:#667382;--q5:#39424d;
--bad:#a5261b;--open:#7a5b00;color:var(--ink);font:14px/1.45 {figures.FONT};max-width:56em;overflow-wrap:break-word}}
@media(prefers-color-scheme:dark){{.raikit{{{_DARK}}}}}
[data-jp-theme-light=true] .raikit,.vscode-light .raikit{{--ink:#1b1f24;--ink-2:#59636e;--line:#d5dae0;--q1:#eff1f4;
--q2:#c5ccd5;--q3:#a7b1bd;--q4:#667382;--q5:#39424d;--bad:#a5261b;--open:#7a5b00}}
[data-jp-theme-light=false] .raikit,.vscode-dark .raikit{{{_DARK}}}
.raikit .answer{{font-size:17px;font-weight:600;margin:.2em 0}}
.raikit h4{{font-size:14px;margin:1.1em 0 .3em;color:var(--ink)}}
.raikit p,.raikit ul{{margin:.3em 0}} .raikit ul{{padding-left:1.2em}} .raikit li{{margin:.35em 0}}
.raikit small,.raikit .quiet{{color:var(--ink-2);font-size:13px}}
.raikit .wide{{overflow-x:auto}} .raikit .figure{{max-width:430px;padding:0 2.5em 0 1em}}
.raikit svg.fig{{width:100%;height:auto;overflow:visible}}
.raikit table{{border-collapse:collapse;font-size:13px;color:var(--ink);background:none}}
.raikit th,.raikit td{{text-align:left;vertical-align:top;padding:.3em 1.2em .3em 0;border-bottom:1px solid var(--line);
background:none}}
@media(max-width:40em){{.raikit th{{display:none}} .raikit td{{display:block;border:0;padding:.1em 0}}
.raikit tr{{display:block;border-bottom:1px solid var(--line);padding:.5em 0}}}}
.raikit .bad{{color:var(--bad);font-weight:600}} .raikit .open{{color:var(--open);font-weight:600}}
"""


def write(record: raikit.Record, folder: Path) -> list[Path]:
    """Write the summary into `folder`."""
    return [write_text(folder / "notebook.html", render(record))]


def render(record: raikit.Record) -> str:
    """Return the summary: the answer and what it rests on, rules that do not hold, findings, and the figure by group."""
    told = raikit.statements(record)
    parts = [
        Markup("<style>{}</style>").format(Markup(STYLE)),  # noqa: S704 - ours
        _answer(record),
        _rules([one for one in told if one.kind in _WORDS]),
        _findings([one for one in told if one.rule is None and one.kind in ("undecided", "worth_knowing")]),
        _figure(record, told),
        _changes(list(dict.fromkeys(one.change for one in told if one.change))),
    ]
    text = Markup('<div class="raikit">{}</div>\n').format(Markup("").join(parts))
    return str(text).encode("utf-8", "replace").decode()  # a lone surrogate is no character of a page


def _answer(record: raikit.Record) -> Markup:
    _, _, fallback = verdicts.answer(record)
    summary = record.summary
    question = summary.question or question_about(record.name)
    sentences = Markup("").join(Markup("<p>{}</p>").format(flat(text, 400)) for text in summary.sentences)
    return Markup('<p class="quiet">{}</p><p class="answer">{}</p>{}').format(
        flat(question, 300), flat(summary.answer or fallback, 300), sentences
    )


def _rules(told: Sequence[raikit.Statement]) -> Markup:
    """Return the rules that do not hold as a table; nothing if all hold."""
    if not told:
        return Markup("")
    rows = [
        Markup('<tr><td class="{}">{}</td><td>{}<br><small>{}</small></td><td>{}</td><td>{}</td></tr>').format(
            "bad" if one.kind == "rule_broken" else "open", _WORDS[one.kind], flat(one.headline, 200), flat(one.evidence, 300),
            flat(one.whom, 120), flat(f"{one.sure}: {one.sure_detail}" if one.sure_detail else one.sure, 200),
        )
        for one in told[:RULES_SHOWN]
    ]  # fmt: skip
    head = Markup("<tr><th>Rule</th><th>What was measured</th><th>For whom</th><th>How sure</th></tr>")
    table = Markup('<h4>Rules that do not hold</h4><div class="wide"><table>{}{}</table></div>').format(head, Markup("").join(rows))
    return table + _more(len(told) - RULES_SHOWN, "rules")


def _findings(told: Sequence[raikit.Statement]) -> Markup:
    if not told:
        return Markup("")
    items = [
        Markup("<li>{}<br><small>{}</small></li>").format(flat(one.headline, 200), flat(one.evidence, 300))
        for one in told[:FINDINGS_SHOWN]
    ]  # fmt: skip
    listed = Markup("<h4>Worth knowing</h4><ul>{}</ul>").format(Markup("").join(items))
    return listed + _more(len(told) - FINDINGS_SHOWN, "findings")


def _figure(record: raikit.Record, told: Sequence[raikit.Statement]) -> Markup:
    """Return the figure of the first statement about groups that has one; a figure of another distribution is not drawn here."""
    own = {check.name: check for check in record.checks if check.plugin == FIRST_PARTY}
    named = [(one.check, figure) for one in told if one.gap is not None for figure in one.figures]
    by_pillar = [(check.name, figure.id) for check in own.values() if check.pillar == "fairness" for figure in check.figures]
    for check, wanted in [*named, *by_pillar]:
        figure = next((one for one in (own[check].figures if check in own else ()) if one.id == wanted), None)
        if figure is None or figure.spec is None:
            continue
        drawn = figures.render(figures.safe_spec(figure), f"nb-{record.provenance.run_id}-")
        if drawn.svg is not None:
            return Markup('<h4>{}</h4><div class="figure" role="img" aria-label="{}">{}</div>').format(
                flat(figure.title, 200), flat(figure.alt, 600), drawn.svg
            )
    return Markup("")


def _changes(changes: Sequence[str]) -> Markup:
    if not changes:
        return Markup("")
    items = Markup("").join(Markup("<li>{}</li>").format(flat(text, 300)) for text in changes[:CHANGES_SHOWN])
    return Markup("<details><summary>What would change the answer</summary><ul>{}</ul></details>").format(items)


def _more(number: int, what: str) -> Markup:
    return Markup("<p><small>{} more {}.</small></p>").format(number, what) if number > 0 else Markup("")
