"""Measurements of a running Rhine Cloud against the raw limits of the same machine (docs/reference/bench.md).

`python -m bench NAME [--json FILE] [--quick]`. The load comes from a process of its own (`generator`), which takes
jobs (`jobs`) as lines of JSON: HTTP, straight SQL, MQTT or NATS with the same documents.
"""
