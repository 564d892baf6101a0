"""Settings and fixtures of all tests.

The number of threads is set before torch is imported, because idle OpenMP threads spin. Variables of a CI service are removed,
because raikit writes for the service that it finds.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.pop("GITHUB_ACTIONS", None)
os.environ.pop("GITHUB_STEP_SUMMARY", None)

import textwrap

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("raikit", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("raikit")


def pytest_addoption(parser):
    """Add what takes too long by default."""
    parser.addoption(
        "--every-moment", action="store_true", help="Kill commands and fill the disk at every moment, not at a few (tests/journeys)."
    )


@pytest.fixture(scope="session")
def write_distribution():
    """Write what installing a distribution leaves in a folder of ``sys.path``: metadata, entry points and modules.

    ``write_distribution(site, "raikit-x", {"x": "x_module"}, {"x_module": "source"})`` returns the folder of the metadata.
    """

    def write_distribution(site, name, points, sources=None, version="1.0", group="raikit"):
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True, exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        lines = [f"{point} = {module}" for point, module in points.items()]
        (info / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines, ""]))
        for module, source in (sources or {}).items():
            (site / f"{module}.py").write_text(textwrap.dedent(source))
        return info

    return write_distribution
