"""What a lamp should be doing, and why. Pure: programs, calendars, the sun, classes of lighting, rules of the city.

A *night* is the day from noon to noon, named after the date of its evening (TALQ 2.7.1, `dayOffset` 12). Times of day
are minutes since that noon on the clock of the city; levels are percent of the installed light.
"""
