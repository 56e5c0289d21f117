"""Rendering for people and programs: progress, results, tables, JSON lines. Knows no typer."""
