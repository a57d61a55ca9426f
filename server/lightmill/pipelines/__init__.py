"""The pipeline contract and the built-in pipelines."""
