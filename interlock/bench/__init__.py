"""Benchmarks that anyone can run: each beside plain LangGraph, in the same run, as a ratio."""
