"""The files that pipelines need: fetched once, verified, kept in a cache directory."""
