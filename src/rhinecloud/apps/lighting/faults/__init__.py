"""Faults: what lamps tell is compared with what they should be doing; what lasts becomes an alarm with its evidence.

Pure: `thresholds.py` (what the city calls a fault), `judging.py` (one report), `detectors.py` (what lasts, for all
lamps at once), `relating.py` (what belongs together is one fault), `reading.py` (reports of entities). `expecting.py`
says what is planned, `alarms.py` keeps the rows, `watching.py` follows the graph, `pages.py` shows it.
"""
