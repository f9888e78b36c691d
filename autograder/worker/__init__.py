"""Runs student Python in a process of its own, without GPU, rubric or answers."""
