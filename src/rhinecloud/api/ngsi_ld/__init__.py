"""The NGSI-LD API over HTTP (CIM 009 §6). It offers `NgsiLdApi`, an ASGI application for /ngsi-ld/v1."""

from .api import NgsiLdApi

__all__ = ["NgsiLdApi"]
