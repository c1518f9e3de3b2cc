"""The certificate of an installation: how long it is good, and how it gets a new one by itself (ACME, RFC 8555).

Offered: `Expiry` (what a certificate says, and whether somebody should look), `Folder` (where certificates that we get
ourselves lie), `python -m rhinecloud.certificates` (the process that gets them, started by the supervisor).
"""

from .expiry import Expiry
from .folder import Folder, State

__all__ = ["Expiry", "Folder", "State"]
