"""Measurements that tables are generated from; each runs as `python -m benchmarks.<name>`."""
