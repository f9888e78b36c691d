from __future__ import annotations

import resource

import pytest

from autograder.isolation import launcher, limits
from autograder.isolation.limits import Limits


def test_limits_that_a_system_refuses_stop_nothing_but_on_linux(monkeypatch):
    def refuse(kind, pair):
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "setrlimit", refuse)
    with pytest.raises(ValueError, match="maximum limit"):
        launcher._limit([[1, 2]], strict=True)
    launcher._limit([[1, 2]], strict=False)  # macOS


def test_a_lower_limit_of_the_account_is_kept(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (1, 7 if kind == resource.RLIMIT_NPROC else -1))
    made = dict(limits.for_kernel(Limits(), own_users=True))
    assert made[resource.RLIMIT_NPROC] == 7
    assert made[resource.RLIMIT_FSIZE] == Limits().file_bytes


def test_what_else_the_account_runs_costs_a_worker_no_processes(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (-1, -1))
    monkeypatch.setattr(limits, "_threads_of", lambda user: 1000)
    by_users = {own: dict(limits.for_kernel(Limits(processes=50), own_users=own)) for own in (True, False)}
    assert [made[resource.RLIMIT_NPROC] for made in by_users.values()] == [50, 1050]
