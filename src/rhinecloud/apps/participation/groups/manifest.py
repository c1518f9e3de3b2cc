"""What this area adds to the app."""
