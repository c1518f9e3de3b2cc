"""How much is tried: `RHINECLOUD_FUZZ` times the examples of a normal run."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, settings

FACTOR = float(os.environ.get("RHINECLOUD_FUZZ") or 1)


def effort(examples: int) -> settings:
    """For `@effort(100)`: so many examples in a normal run. Each is a request of its own, so a failure is only made
    smaller in a long run."""
    phases = [Phase.explicit, Phase.reuse, Phase.generate]
    return settings(
        max_examples=max(1, round(examples * FACTOR)),
        phases=[*phases, Phase.shrink] if FACTOR > 1 else phases,
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
            HealthCheck.filter_too_much,
        ],
    )


long_enough = pytest.mark.timeout(240 * max(1.0, FACTOR))
