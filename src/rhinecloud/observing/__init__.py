"""What can be seen of an installation from outside: metrics for Prometheus, and log lines that a machine reads.

Offered: `Observed` (around the HTTP of a worker), `Exposition` (the text of /metrics, of all workers of this machine),
`METRICS` (what there is), `set_up` (the form of log lines), `Lines` (the same for the supervisor).
"""

from .exposition import CONTENT_TYPE, Exposition
from .lines import Lines, set_up
from .metrics import METRICS, Metric
from .requests import Observed

__all__ = ["CONTENT_TYPE", "METRICS", "Exposition", "Lines", "Metric", "Observed", "set_up"]
