"""TALQ 2.7.1: the city as a CMS towards gateways of any vendor, and a reference gateway to try it with.

`gateways` (who was admitted), `overrides.want` (lamps by hand), `wanting.ask` (plans), `manifest` (what is served).
What is said is in `base`, `messages`, `schedules`, `functions`; `gateway/` is a program of its own that speaks
nothing but TALQ (docs/reference/talq.md).
"""
