"""Texts that PostgreSQL cannot hold as they are."""

from hypothesis import given
from hypothesis import strategies as st

from interlock.checkpoints.postgresql.text_adapters import escape_text, restore_text

texts = st.text(st.sampled_from("\x00\x1a01ab"), max_size=8) | st.text()


@given(texts)
def test_every_text_comes_back(text: str) -> None:
    """What is stored holds no NUL and is read as it was given."""
    stored = escape_text(text)
    assert "\x00" not in stored
    assert restore_text(stored) == text


@given(texts, texts)
def test_only_equal_texts_are_stored_alike(one: str, other: str) -> None:
    """A comparison in the database is one of what was given."""
    assert (escape_text(one) == escape_text(other)) == (one == other)


@given(st.text(st.characters(exclude_characters="\x00\x1a")))
def test_ordinary_texts_are_stored_as_they_are(text: str) -> None:
    """Anybody who looks into the tables reads what was written."""
    assert escape_text(text) == text
