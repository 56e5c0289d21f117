"""Spans and metrics for OpenTelemetry; needs its API, which the extra `otel` brings."""
