"""Whole-process measurements beside the peers. `python -m benchmarks --help`."""
