"""Votes: received once, kept, changed, counted; secret ones without a way back to who cast them."""
