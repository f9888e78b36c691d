"""Turns a submission into a score: see docs/architecture.md."""
