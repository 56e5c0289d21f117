"""interlock: teams of LangGraph agents whose every handoff is validated."""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

# LangGraph reads this when it is first imported; without it a forged checkpoint row could
# call any function when it is loaded.
os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")

if TYPE_CHECKING:
    from interlock.public_names import *  # noqa: F403
    from interlock.public_names import __all__ as __all__
    from interlock.telemetry.tracing.open_telemetry import OpenTelemetry as OpenTelemetry
    from interlock.tools.agent_middleware import IdempotentTools as IdempotentTools
else:
    _WITH_EXTRAS = {
        "IdempotentTools": (
            "interlock.tools.agent_middleware",
            "langchain",
            "the package langchain, which has create_agent. Install it: pip install langchain",
        ),
        "OpenTelemetry": (
            "interlock.telemetry.tracing.open_telemetry",
            "opentelemetry",
            "OpenTelemetry's API. Install it: pip install 'interlock[otel]'",
        ),
    }

    def _load_with_extra(name: str) -> Any:  # noqa: ANN401 - any exported name
        """Return a name that needs a package which interlock itself does not."""
        module, package, need = _WITH_EXTRAS[name]
        try:
            found = getattr(import_module(module), name)
        except ModuleNotFoundError as exc:
            if not str(exc.name).startswith(package):
                raise
            errors = import_module("interlock.contracts.errors")
            raise errors.ConfigurationError(f"il.{name} needs {need}") from exc
        globals()[name] = found
        return found

    def __getattr__(name: str) -> Any:  # noqa: ANN401 - any exported name
        """Load the public names on the first use of one (PEP 562)."""
        if name in _WITH_EXTRAS:
            return _load_with_extra(name)
        if name == "__all__" or not name.startswith("__"):
            public = import_module("interlock.public_names")
            if name == "__all__" or name in public.__all__:
                globals().update({known: getattr(public, known) for known in public.__all__})
                globals()["__all__"] = public.__all__
                return globals()[name]
        raise AttributeError(f"module 'interlock' has no attribute {name!r}")

    def __dir__() -> list[str]:
        """List the public names."""
        public = import_module("interlock.public_names").__all__
        return sorted({*globals(), *public, *_WITH_EXTRAS})
