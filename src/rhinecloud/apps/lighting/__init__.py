"""Street lighting (Straßenbeleuchtung): lamps that are lit when and where someone needs the light.

Programs and calendars, light on demand, faults and work orders, what hangs on a post, accounts of energy, and TALQ to
whoever controls the lamps. Each area (`control`, `cadastre`, `planning`, …) declares in its `manifest.py` what it adds.
"""

from .app import app

__all__ = ["app"]
