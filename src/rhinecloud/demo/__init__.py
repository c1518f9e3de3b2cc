"""A simulated city and a replay of real traffic. Both speak MQTT and HTTP only, like any device or person.

Nothing of Rhine Cloud's inside is imported here: what the demo can do, anybody can. It offers `python -m
rhinecloud.demo` and `replay.add_arguments`, `replay.run`.
"""
