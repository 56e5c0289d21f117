"""A page from its template: everything is escaped, nothing is fetched, one script of our own runs."""

import base64
import hashlib
from functools import cache
from importlib import resources
from typing import Any, Final

from interlock.contracts.errors import ConfigurationError
from interlock.telemetry.report.trail_layout import lay_out_trail
from interlock.telemetry.report.words import (
    show_money,
    show_share,
    show_span,
    show_text,
    show_time,
    show_us,
)

_ROOM: Final = "interlock.telemetry.report"


def render_page(template: str, **values: object) -> str:
    """Return a page.

    Raises:
        ConfigurationError: The extra `report` is not installed.
    """
    script = _read("report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return str(
        _build_environment()
        .get_template(template)
        .render(style=_read("report.css"), script=script, script_hash=f"sha256-{digest}", **values)
    )


@cache
def _build_environment() -> Any:  # noqa: ANN401 - Jinja's, which is an extra
    try:
        import jinja2  # noqa: PLC0415 - an extra
    except ImportError as exc:
        raise ConfigurationError(
            "Reports need Jinja and Vega's renderer: install interlock with the extra `report`, "
            "pip install 'interlock[report]'."
        ) from exc
    environment: Any = jinja2.Environment(
        loader=jinja2.FunctionLoader(_read),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.filters.update(
        money=show_money,
        share=show_share,
        span=show_span,
        time=show_time,
        us=show_us,
    )
    environment.globals["lay_out_trail"] = lay_out_trail
    return environment


def _finalize(value: object) -> object:
    """Show what is hidden in texts before it is escaped; what is markup of ours stays."""
    return value if hasattr(value, "__html__") or not isinstance(value, str) else show_text(value)


@cache
def _read(name: str) -> str:
    return (resources.files(_ROOM) / "templates" / name).read_text("utf-8")
