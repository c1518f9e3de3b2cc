"""Foreign client libraries, unchanged, against a real server. What each does stands in foreign/."""
