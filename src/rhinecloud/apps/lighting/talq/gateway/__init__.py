"""A reference gateway of TALQ 2.7.1, the lighting profile: a program of its own with simulated luminaires.

It knows the city by its address as a CMS only, and speaks nothing but TALQ with it; so the CMS is tested over the wire,
and a vendor can compare. `server` is its API (39 operations, and groups), `introducing` and `reporting` what it asks of
the CMS, `holdings` what it keeps (in memory), `following` and `luminaires` what its lamps do.
"""
