"""The evidence: energy against usefulness."""
