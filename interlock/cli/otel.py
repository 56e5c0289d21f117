"""`--otel`: OpenTelemetry's SDK set up from its usual environment, where nobody has done it.

`opentelemetry-instrument interlock run ...` does the same and more; a provider that stands is left
alone. Which exporters there are is told by their packages, under the names of `OTEL_*_EXPORTER`.
"""

import os
from collections.abc import MutableMapping
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Final

from interlock.contracts.errors import ConfigurationError
from interlock.orchestrator import Orchestrator

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricReader

CONTENT: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
"""What other instrumentations of models read, too: `true` shows content."""

_DEFAULTS: Final = {
    "OTEL_SERVICE_NAME": "interlock",
    "OTEL_TRACES_EXPORTER": "otlp",
    "OTEL_METRICS_EXPORTER": "otlp",
}
_PROTOCOLS: Final = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}


def watch(desk: Orchestrator, environment: MutableMapping[str, str] = os.environ) -> Orchestrator:
    """Return a team whose runs OpenTelemetry is told of; its SDK is set up, unless it is already.

    Args:
        desk: A team; one with a telemetry of its own keeps it.
        environment: Where the settings are; gets defaults for what it does not say.

    Raises:
        ConfigurationError: OpenTelemetry, its SDK or an exporter that is named is not installed.
    """
    try:
        from opentelemetry import trace  # noqa: PLC0415 - an extra

        from interlock.telemetry.tracing.open_telemetry import OpenTelemetry  # noqa: PLC0415
    except ModuleNotFoundError as exc:
        raise ConfigurationError(
            "--otel needs OpenTelemetry. Install it: pip install 'interlock[otel]' "
            "opentelemetry-sdk opentelemetry-exporter-otlp-proto-http"
        ) from exc
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        _set_up(environment)
    if desk.telemetry is not None:
        return desk
    is_shown = environment.get(CONTENT, "").lower() == "true"
    return desk.copy_with(telemetry=OpenTelemetry(content="on" if is_shown else "off"))


def _set_up(environment: MutableMapping[str, str]) -> None:
    """Set up global providers: by a distribution's configurator if one is installed."""
    for name, value in _DEFAULTS.items():
        environment.setdefault(name, value)
    for configurator in entry_points(group="opentelemetry_configurator"):
        configurator.load()().configure()
        return
    try:
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - not of the extra
    except ModuleNotFoundError as exc:
        raise ConfigurationError(
            "--otel needs OpenTelemetry's SDK and an exporter. Install them: pip install "
            "opentelemetry-sdk opentelemetry-exporter-otlp-proto-http"
        ) from exc
    from opentelemetry import metrics, trace  # noqa: PLC0415
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    tracers = TracerProvider()
    for point in _find_exporters("traces", environment):
        tracers.add_span_processor(BatchSpanProcessor(point.load()()))
    readers = [_build_reader(point) for point in _find_exporters("metrics", environment)]
    trace.set_tracer_provider(tracers)
    metrics.set_meter_provider(MeterProvider(metric_readers=readers))


def _build_reader(point: EntryPoint) -> "MetricReader":
    """Return what reads metrics: an exporter that is told now and then, or one that is asked."""
    from opentelemetry.sdk.metrics.export import (  # noqa: PLC0415
        MetricReader,
        PeriodicExportingMetricReader,
    )

    built: Any = point.load()()
    return built if isinstance(built, MetricReader) else PeriodicExportingMetricReader(built)


def _find_exporters(signal: str, environment: MutableMapping[str, str]) -> list[EntryPoint]:
    """Return the exporters that the environment names.

    Raises:
        ConfigurationError: One of them is not installed.
    """
    variable = f"OTEL_{signal.upper()}_EXPORTER"
    known = {point.name: point for point in entry_points(group=f"opentelemetry_{signal}_exporter")}
    found: list[EntryPoint] = []
    for word in environment[variable].split(","):
        name = word.strip()
        if name in {"", "none"}:
            continue
        point = known.get(_name_otlp(signal, environment, known) if name == "otlp" else name)
        if point is None:
            there = ", ".join(sorted(known)) or "none"
            raise ConfigurationError(
                f"{variable} names the exporter {name!r}, which is not installed. Installed: {there}. "
                "Install its package, such as opentelemetry-exporter-otlp-proto-http, or set "
                f"{variable}=none."
            )
        found.append(point)
    return found


def _name_otlp(
    signal: str, environment: MutableMapping[str, str], known: MutableMapping[str, EntryPoint]
) -> str:
    """Return which of OTLP's exporters is wanted: as the environment says, or that which there is."""
    shared = environment.get("OTEL_EXPORTER_OTLP_PROTOCOL", "")
    protocol = environment.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL", shared)
    there = [name for name in _PROTOCOLS.values() if name in known]
    return _PROTOCOLS.get(protocol) or (there[0] if there else "otlp")
