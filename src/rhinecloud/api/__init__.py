"""The standards that others speak to us, one folder each."""
