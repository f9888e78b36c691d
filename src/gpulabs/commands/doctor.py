"""`gpulabs doctor`: looks, judges, prints."""

from __future__ import annotations

import dataclasses

from gpulabs import terminal
from gpulabs.doctor import Status, judge, verdict
from gpulabs.exit_codes import ExitCode
from gpulabs.labs import LABS
from gpulabs.probes import gather

STYLES = {Status.OK: "green", Status.WARN: "yellow", Status.PROBLEM: "red", Status.ABSENT: "dim"}


def doctor(as_json: bool) -> int:
    """Prints one row a check and returns FAILED if one of them is a problem."""
    with terminal.progress("looking at this machine: TensorFlow's import takes a few seconds"):
        facts = gather()
    findings = judge(facts)
    code = ExitCode.FAILED if any(finding.status is Status.PROBLEM for finding in findings) else ExitCode.OK
    if as_json:
        records = [dataclasses.asdict(finding) for finding in findings]
        terminal.print_json({"schema_version": 1, "verdict": verdict(findings, facts), "findings": records})
        return code
    from rich.text import Text

    rows = [
        (finding.name, Text(finding.status.value, style=STYLES[finding.status]), finding.detail) for finding in findings
    ]
    terminal.print_table(("check", "status", "found"), rows)
    for finding in findings:
        if finding.fix:
            print(terminal.plain(f"{finding.name}: {finding.fix}"))
    print(verdict(findings, facts))
    if code is ExitCode.OK:
        print(f"next: gpulabs start {next(lab.short for lab in LABS if lab.ready)}")
    return code
