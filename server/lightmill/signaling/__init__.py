"""The HTTP layer: one file per resource. SDP is text here."""
