"""Runs ETSI's conformance suite for NGSI-LD against a fresh broker: `python -m tests.conformance SUITE_FOLDER`.

The suite is no part of this repository; docs/reference/conformance.md says where it is and how its cases are counted.
"""
