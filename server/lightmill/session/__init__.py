"""Sessions and their peers; aiortc lives here and nowhere else."""
