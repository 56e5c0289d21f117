"""Random plain values."""

from typing import Any

from hypothesis import strategies as st

texts = st.text(st.characters(exclude_categories=["Cs"]))
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
plain_values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def list_types(value: Any) -> Any:
    """Return a value's types, level by level: 1, 1.0 and True are equal, their types are not."""
    if isinstance(value, dict):
        return {key: list_types(item) for key, item in value.items()}
    if isinstance(value, list):
        return [list_types(item) for item in value]
    return type(value)


def list_containers(value: Any) -> list[Any]:
    """Return every dict and list in a value."""
    if isinstance(value, dict):
        return [value, *(found for item in value.values() for found in list_containers(item))]
    if isinstance(value, list):
        return [value, *(found for item in value for found in list_containers(item))]
    return []
