"""Light on demand."""
