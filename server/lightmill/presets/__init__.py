"""Presets: chains with their settings as documents, and where they are kept."""
