"""What every test may use. Threads are settled before torch is imported: idle OpenMP threads spin. And no test runs in a build of somebody's."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.pop("GITHUB_ACTIONS", None)
os.environ.pop("GITHUB_STEP_SUMMARY", None)

from hypothesis import HealthCheck, settings

settings.register_profile("raikit", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("raikit")
