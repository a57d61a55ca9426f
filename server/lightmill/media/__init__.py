"""Frames, queues, codecs, playout and fan-out; PyAV lives here."""
