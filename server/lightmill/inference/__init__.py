"""Running pipelines: devices, shared components, stages, and the loop that feeds them."""
