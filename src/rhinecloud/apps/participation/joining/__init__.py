"""Coming in: invitation codes, what a phone keeps, the helpers' desk.

`codes` and `passes` are pure: a code is signed and kept nowhere, a pass is what a phone keeps, in a cookie. `here` says
of a request which event it is for and who takes part in it; `qr` draws a code that phones read; `strength` says
honestly how well each way of coming in keeps one person to one vote.
"""
