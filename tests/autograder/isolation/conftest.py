"""Tiers as parameters; one that can't exist here is skipped with the reason."""

from __future__ import annotations

import functools

import pytest

from autograder.isolation import probe
from tests.autograder.isolation.attackers import attack
from tests.conftest import NEEDS, has_bubblewrap


@functools.cache
def missing(tier: str) -> str:
    """Why a tier can't exist here: asked of the machine, not of the tier's own tests."""
    if tier in ("strong", "old"):
        return "" if has_bubblewrap() else NEEDS["bubblewrap"][1]
    if tier in ("medium", "bare"):
        return "" if probe.landlock.version() else "this kernel has no Landlock"
    return ""


@pytest.fixture
def behind(tier, tmp_path, monkeypatch):
    """Attacks from behind the walls of the tier that the test is parametrized with."""
    if reason := missing(tier):
        pytest.skip(reason)
    if tier == "medium" and (found := probe.find("medium").tier) and not found.spaces:
        pytest.skip(f"no namespaces for this account: {found.description}")
    if tier == "old":
        monkeypatch.setattr(probe.landlock, "version", lambda: 0)
    return functools.partial(attack, tier, tmp_path / "folder")
