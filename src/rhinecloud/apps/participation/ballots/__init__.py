"""Votes: what can be chosen, casting them once each, counting, closing.

`choices` reads and judges what somebody chose (pure), `casting` receives votes, `own` is what a phone itself voted,
`counting` is what all chose, `closing` opens, reveals and closes polls, `words` and `questions` are moderated by the
organiser.
"""
