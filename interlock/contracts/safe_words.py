"""Words for what users' code raises and returns, whatever its `__str__` or `__repr__` does.

What comes out is UTF-8 text of bounded length, so that it can be stored and shown.
"""


def word_error(error: BaseException, limit: int = 2000) -> str:
    """Return what an error says; its repr if it says nothing."""
    try:
        words = str(error) or repr(error)
    except Exception as exc:  # noqa: BLE001 - the user's own __str__
        words = f"(its message cannot be shown: {type(exc).__name__})"
    return clean_words(words, limit)


def word_value(value: object, limit: int = 200) -> str:
    """Return a value's repr, or its type's name if it has none."""
    try:
        words = repr(value)
    except Exception as exc:  # noqa: BLE001 - the user's own __repr__
        words = f"a {type(value).__name__} that cannot be shown ({type(exc).__name__})"
    return clean_words(words, limit)


def clean_words(text: str, limit: int) -> str:
    """Return a text that UTF-8 can hold, of at most `limit` characters."""
    return text[:limit].encode("utf-8", "replace").decode()
