"""Sessions in worker processes, behind the same `SessionHost`."""
