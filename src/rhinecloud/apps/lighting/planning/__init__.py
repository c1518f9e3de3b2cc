"""The plan of the city's light: programs, calendars, groups and rules as a draft, applied as a version, kept all night.

What is edited is a draft. Applying it makes a version of the plan; from then on one worker keeps each lamp's target and
tells it (docs/reference/lighting-planning.md).
"""

from .asking import Explained, explain, target_of

__all__ = ["Explained", "explain", "target_of"]
