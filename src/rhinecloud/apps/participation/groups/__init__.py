"""Theme groups: their pages, who belongs to them, invitations, meetings and documents.

It offers `reading` (which groups there are) and `members` (who belongs to one, and as what).
"""
