"""What people write is looked after: reports that anybody may file, hiding with reasons, an appeal, and the digests.

Offers `subjects.register` (an area says what it has that can be reported and hidden) and `hiding.hidden` (what of it is
hidden, and why).
"""
