"""The lighting app keeps the contract of apps."""

from __future__ import annotations

from rhinecloud.apps.lighting import app
from rhinecloud.hosting import find
from rhinecloud.testing import contradictions


def test_it_is_found_and_keeps_the_contract() -> None:
    (found,) = [one for one in find() if one.name == "lighting"]
    assert found.app is app, found.reason
    assert contradictions(app) == []


def test_who_plans_sees() -> None:
    """Whoever may change or repair anything sees what it is about."""
    for names in app.granted.values():
        assert "lighting.see" in names
    assert "lighting.program" not in app.granted["member"]
