"""Keys as they are given and written down: what is accepted, and what a refusal shows."""

import pickle
from base64 import b64encode

import pytest

from interlock.contracts.encryption import (
    Encryption,
    dump_encryption_key,
    parse_encryption,
)
from interlock.contracts.errors import ConfigurationError

KEY = bytes(range(32))
TEXT = b64encode(KEY).decode()


def test_a_line_names_keys_and_the_first_is_active() -> None:
    """Keys are read with their ids; the first one seals what is written."""
    encryption = parse_encryption(
        f"2026-11:{TEXT}, old:{b64encode(b'o' * 32).decode()}", source="X"
    )
    assert encryption.active == "2026-11"
    assert dict(encryption.keys) == {"2026-11": KEY, "old": b"o" * 32}


def test_what_is_dumped_is_read_again() -> None:
    """A key that was written down is read as the same key."""
    line = dump_encryption_key("a", KEY)
    assert parse_encryption(line, source="X") == Encryption(keys={"a": KEY}, active="a")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "id:base64"),
        (TEXT, "id:base64"),
        ("a:", "id:base64"),
        (f"a:{TEXT},", "id:base64"),
        (f"a:{TEXT},a:{TEXT}", "twice"),
        ("a:not base64!", "not base64"),
        (f"a:{b64encode(b'short').decode()}", "5 bytes"),
        (f"a b:{TEXT}", "an id that cannot be used"),
        (f"{'a' * 33}:{TEXT}", "an id that cannot be used"),
        (f"{TEXT}:a", "an id that cannot be used"),
    ],
)
def test_a_line_that_cannot_be_read_says_why(line: str, words: str) -> None:
    """A wrong line is refused with what is wrong, where it stands, and nothing of a key."""
    with pytest.raises(ConfigurationError, match=words) as caught:
        parse_encryption(line, source="INTERLOCK_KEYS")
    assert TEXT[:16] not in str(caught.value)


def test_the_active_key_must_be_there() -> None:
    """An active id without a key is refused with the ids that are there."""
    with pytest.raises(ConfigurationError, match=r"'b'.*a"):
        Encryption(keys={"a": KEY}, active="b")


def test_text_is_no_key() -> None:
    """A passphrase in the place of random bytes is refused."""
    with pytest.raises(ConfigurationError, match="not bytes"):
        Encryption(keys={"a": "x" * 32}, active="a")  # type: ignore[dict-item]


def test_keys_do_not_leak() -> None:
    """A key is not in a representation, cannot be changed from outside and is not pickled."""
    given = {"a": KEY}
    encryption = Encryption(keys=given, active="a")
    given.clear()
    assert encryption.keys["a"] == KEY
    assert "\\x00" not in repr(encryption)
    assert "keys" not in repr(encryption)
    with pytest.raises(ConfigurationError, match="not pickled"):
        pickle.dumps(encryption)
