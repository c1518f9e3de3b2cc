"""Whatever comes in, what goes out is an answer: never a 5xx, a dropped connection, a wait without end.

`RHINECLOUD_FUZZ=50 ./test tests/fuzz` tries fifty times as much as a normal run.
"""
