"""The management API under /api/v1: devices, secrets, wanted states, profiles, unmapped messages, alarms.

It offers `ManagementApi` (ASGI) and the `Services` that it works with. Every operation is a `Route` with the name of a
permission; one place decides whether it is given. The OpenAPI document is made from the routes.
"""

from .api import ROUTES, ManagementApi
from .route import Services

__all__ = ["ROUTES", "ManagementApi", "Services"]
