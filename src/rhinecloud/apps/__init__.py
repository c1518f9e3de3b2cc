"""The city's applications, one folder each, found by their entry points as anybody's are (docs/reference/apps.md)."""
