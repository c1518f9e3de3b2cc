"""The NGSI-LD API over HTTP (CIM 009 §6). It offers `NgsiLdApi`, an ASGI application for /ngsi-ld/v1, and
`ask` for who asks without HTTP."""

from .api import NgsiLdApi
from .question import ask

__all__ = ["NgsiLdApi", "ask"]
