"""The certificate on the page of operations."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from rhinecloud.settings import Settings

from .expiry import Expiry
from .folder import Folder


def health(settings: Settings, now: datetime | None = None) -> dict[str, Any]:
    """Figures of the certificate that is served; none where there is none (or a proxy has it). Never raises."""
    if settings.tls_cert is None:
        return {}
    now = now or datetime.now(UTC)
    figures: dict[str, Any] = {}
    try:
        expiry = Expiry.of_file(settings.tls_cert)
    except (OSError, ValueError) as error:
        return {"certificate": {"problem": str(error), "look": True}}
    figures = {
        "names": ", ".join(expiry.names),
        "issuer": expiry.issuer,
        "ends": f"{expiry.ends:%Y-%m-%d %H:%M} UTC",
        "days_left": round(expiry.days_left(now), 1),
        "end_time": int(expiry.ends.timestamp()),
        "look": expiry.urgency(now) != "good",
    }
    if expiry.urgency(now) == "over":
        figures["state"] = "down"
    if settings.acme_names:
        folder = Folder(settings.data)
        problem = folder.state.problem
        if problem is not None:
            figures |= {"problem": problem, "look": True}
        if folder.is_placeholder(expiry):
            figures["state"] = "down"
    return {"certificate": figures}
