"""Who may vote: invitation codes, seats, open links; what a phone keeps of it; the helpers' desk."""
