"""Proposals of the theme groups: written, supported, commented, amended, merged; and a public trail of what became of
each, with a clock that runs until it is answered.

Offers `reading` (by_number, since), `graph.settle` and the subjects "proposal:12" and "comment:5".
"""
