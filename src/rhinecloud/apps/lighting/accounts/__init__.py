"""Accounts of the city's light: energy, cost, CO₂, burning hours, and what is saved against dusk-to-dawn burning.

Not for billing: no calibrated meter stands behind any figure. `energy` is the arithmetic (pure), `sums` what sums mean,
`keeping` the rows, `counting` the jobs that fill them, `reporting` the entities that the city may query.
"""
