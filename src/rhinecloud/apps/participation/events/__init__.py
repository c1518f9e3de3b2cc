"""Events, polls and options: what an organiser prepares, and steers while it goes on.

`model` says what they are (pure), `reading` finds them.
"""
