"""One sealed value: what it holds, and everything that must not open."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.checkpoints.sealing.envelope import Place, Sealer, find_key_id
from interlock.contracts.encryption import Encryption
from interlock.contracts.sealing_errors import SealedRowError

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
SALT = b"s" * 32
PLACE = Place("payloads", "data", ("thread", "hash"))


def build_sealer(active: str = "new", salt: bytes = SALT, **keys: bytes) -> Sealer:
    """Return a sealer with these keys, or with an old and a new one."""
    return Sealer(Encryption(keys=keys or {"old": OLD, "new": NEW}, active=active), salt=salt)


@given(value=st.one_of(st.binary(), st.text(st.characters(exclude_categories=["Cs"]))))
def test_what_is_sealed_opens_again(value: str | bytes) -> None:
    """A value comes back as it was, text as text and bytes as bytes."""
    sealer = build_sealer()
    opened = sealer.open(sealer.seal(value, PLACE), PLACE)
    assert opened == value
    assert type(opened) is type(value)


def test_nothing_of_the_value_shows() -> None:
    """A sealed value holds no part of what was sealed, and equal values do not look equal."""
    sealer = build_sealer()
    first, second = (sealer.seal(b"canary" * 100, PLACE) for _ in range(2))
    assert isinstance(first, bytes)
    assert b"canary" not in first
    assert first != second


@pytest.mark.parametrize(
    "other",
    [
        Place("payloads", "data", ("thread", "other")),
        Place("payloads", "data", ("other", "hash")),
        Place("payloads", "data", ("threadh", "ash")),
        Place("payloads", "other", ("thread", "hash")),
        Place("blobs", "data", ("thread", "hash")),
        Place("payloads", "data", ("thread", "hash", "")),
        Place("payloads", "data", ("thread",)),
    ],
)
@pytest.mark.parametrize("value", [b"bytes", "text"])
def test_a_value_opens_only_where_it_was_sealed(value: str | bytes, other: Place) -> None:
    """A value that was moved to another row, column, table or thread is refused."""
    sealer = build_sealer()
    with pytest.raises(SealedRowError) as caught:
        sealer.open(sealer.seal(value, PLACE), other)
    assert caught.value.fault == "altered"
    assert caught.value.table == other.table
    assert caught.value.row == other.row


def test_numbers_and_texts_in_a_key_differ() -> None:
    """The number 1 and the text 1 are two places."""
    sealer = build_sealer()
    sealed = sealer.seal(b"x", Place("task_writes", "data", ("t", 1)))
    with pytest.raises(SealedRowError):
        sealer.open(sealed, Place("task_writes", "data", ("t", "1")))


@given(data=st.data())
def test_every_flipped_bit_is_found(data: st.DataObject) -> None:
    """A sealed value with any one bit changed is refused, whatever is said of it."""
    sealer = build_sealer()
    sealed = sealer.seal(b"value", PLACE)
    assert isinstance(sealed, bytes)
    index = data.draw(st.integers(0, len(sealed) * 8 - 1))
    broken = bytearray(sealed)
    broken[index // 8] ^= 1 << index % 8
    with pytest.raises(SealedRowError):
        sealer.open(bytes(broken), PLACE)


@given(cut=st.integers(0, 200))
def test_a_value_that_was_cut_short_is_refused(cut: int) -> None:
    """No beginning of a sealed value opens, in bytes or in text."""
    sealer = build_sealer()
    for value in (b"bytes that are long enough", "text that is long enough"):
        sealed = sealer.seal(value, PLACE)
        if cut < len(sealed):
            with pytest.raises(SealedRowError):
                sealer.open(sealed[:cut], PLACE)


@pytest.mark.parametrize("value", ["", "plain", "ils1:", "ils1:my secret", b"", b"ILS1", b"\x00"])
def test_plaintext_is_refused_and_not_shown(value: str | bytes) -> None:
    """A value that is not sealed is refused, and the message shows nothing of it."""
    with pytest.raises(SealedRowError) as caught:
        build_sealer().open(value, PLACE)
    assert caught.value.fault == "plaintext"
    assert "secret" not in str(caught.value)
    assert "payloads.data" in str(caught.value)


def test_a_key_that_was_not_given_is_named() -> None:
    """A value sealed with a key that is not there says which key is wanted."""
    sealed = build_sealer("old").seal("text", PLACE)
    with pytest.raises(SealedRowError) as caught:
        build_sealer(new=NEW).open(sealed, PLACE)
    assert (caught.value.fault, caught.value.key_id) == ("unknown_key", "old")
    assert "'old'" in str(caught.value)


def test_another_key_under_the_same_id_opens_nothing() -> None:
    """A wrong key under the right id is told from the right one."""
    sealed = build_sealer().seal(b"x", PLACE)
    with pytest.raises(SealedRowError):
        build_sealer(new=OLD).open(sealed, PLACE)


def test_another_database_opens_nothing() -> None:
    """The same keys in a database with another salt do not open a value."""
    sealed = build_sealer().seal(b"x", PLACE)
    with pytest.raises(SealedRowError):
        build_sealer(salt=os.urandom(32)).open(sealed, PLACE)


def test_old_keys_open_and_the_active_one_seals() -> None:
    """With two keys, what the old one sealed opens, and what is sealed bears the new one's id."""
    both = build_sealer("new")
    assert both.open(build_sealer("old").seal("text", PLACE), PLACE) == "text"
    assert find_key_id(both.seal("text", PLACE)) == "new"
    assert find_key_id(both.seal(b"bytes", PLACE)) == "new"


def test_a_known_value_opens() -> None:
    """The format stays: a value that was sealed by hand with the parts of the format opens."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    def encode(*parts: bytes) -> bytes:
        return b"".join(b"s" + len(one).to_bytes(4, "big") + one for one in parts)

    info = b"interlock sealed value 1" + encode(b"new", b"thread")
    key = HKDF(algorithm=hashes.SHA256(), length=32, salt=SALT, info=info).derive(NEW)
    where = encode(b"payloads", b"data", b"thread", b"hash")
    nonce = bytes(12)
    sealed = b"ILS1\x03new" + nonce + AESGCM(key).encrypt(nonce, b"by hand", where)
    assert build_sealer().open(sealed, PLACE) == b"by hand"
