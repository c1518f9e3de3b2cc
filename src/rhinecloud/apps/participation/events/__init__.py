"""Events, polls and options: what an organiser prepares, and steers while it goes on.

`model` says what they are and `drafting` what somebody wants them to be (pure); `reading` finds them, `keeping`
remembers them in each worker; `changing` prepares them, `steering` leads through the event.
"""
