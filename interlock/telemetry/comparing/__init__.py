"""Comparing runs: where two of them parted, and why."""

from interlock.telemetry.comparing.run_comparison import compare_runs

__all__ = ["compare_runs"]
