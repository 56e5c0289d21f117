"""Reports: one run, or many, on one HTML page that needs no network."""

from interlock.telemetry.report.many_runs import render_many
from interlock.telemetry.report.material import ManyMaterial, RunMaterial
from interlock.telemetry.report.one_run import render_run

__all__ = ["ManyMaterial", "RunMaterial", "render_many", "render_run"]
