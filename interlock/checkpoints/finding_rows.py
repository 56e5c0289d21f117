"""Findings and criteria as rows: in the clear what they came to, sealed the words."""

import hashlib
from collections.abc import Iterable

from interlock.checkpoints.run_ledger import dump_time
from interlock.contracts.criteria import Finding
from interlock.contracts.handoff import Handoff

Row = tuple[object, ...]


def derive_criterion_hash(finding: Finding) -> str:
    """Return what names a finding's criterion, by its kind and its words."""
    words = f"{finding.kind}\x1f{finding.criterion}"
    return hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest()


def derive_finding_rows(handoffs: Iterable[Handoff]) -> tuple[list[Row], list[Row]]:
    """Return the rows of the criteria and of the findings of outputs."""
    criteria: dict[Row, Row] = {}
    findings: list[Row] = []
    for handoff in handoffs:
        if handoff.kind != "output" or handoff.verdict is None:
            continue
        at = dump_time(handoff.reviewed_at or handoff.ended_at)
        for ordinal, finding in enumerate(handoff.verdict.findings):
            name = derive_criterion_hash(finding)
            words = finding.criterion
            criteria[handoff.thread_id, name] = (handoff.thread_id, name, finding.kind, words)
            result = name_result(finding)
            row = (handoff.thread_id, handoff.id, ordinal, handoff.step_id, name, result, at)
            findings.append(row)
    return list(criteria.values()), findings


def name_result(finding: Finding) -> str:
    """Return what a criterion came to, in a word."""
    if finding.undecided or finding.asks_person:
        return "undecided"
    return "passed" if finding.passed else "failed"
