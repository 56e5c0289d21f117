"""Success criteria decided: CEL, JSON Schema, pydantic types, registered checks."""

from interlock.criteria.cel_expressions import CelError, evaluate_condition, list_paths
from interlock.criteria.engine import CriteriaEngine

__all__ = ["CelError", "CriteriaEngine", "evaluate_condition", "list_paths"]
