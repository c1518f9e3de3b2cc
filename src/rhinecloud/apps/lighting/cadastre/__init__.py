"""The cadastre: which lamps there are and what is known of them, their import, the lighting map and a lamp's page.

Offers, for the other areas: `lamps.Lamp` and `lamps.lamps`; `documents` (entities of lamps, groups, cabinets, feeders
and luminaire types); `sections.Section`, by which an area adds its part to the page of a lamp.
"""
