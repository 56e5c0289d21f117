"""`keys`: from a plain database to a sealed one, and from one key to the next."""

from base64 import b64decode
from datetime import date

import pytest

from tests.integration.cli.shell import Done, Shell

VARIABLE = "INTERLOCK_ENCRYPTION_KEYS"
DATABASE = "sqlite:///desk.db"


def make_key(shell: Shell, key_id: str) -> str:
    """Return a fresh key as it is printed."""
    done = shell.call("keys", "new", "--id", key_id)
    assert (done.code, done.err) == (0, "")
    return done.out.strip()


def show(shell: Shell) -> Done:
    """Show the journal of the thread."""
    return shell.call("handoffs", "t17", "--full", "--storage", DATABASE)


def test_a_new_key_is_ready_for_the_environment(shell: Shell) -> None:
    """A fresh key is 32 random bytes under today's date or a given id, and alone on stdout."""
    first, second = (shell.call("keys", "new").out.strip() for _ in range(2))
    assert first != second
    key_id, _, encoded = first.partition(":")
    assert date.fromisoformat(key_id)
    assert len(b64decode(encoded, validate=True)) == 32
    assert make_key(shell, "mine").startswith("mine:")
    data = shell.call("keys", "new", "--id", "x", "--json").data
    assert (data["id"], data["key"][:2]) == ("x", "x:")
    assert shell.call("keys", "new", "--id", "a b").code != 0


def test_a_database_is_sealed_and_its_key_rotated(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plain run is sealed, read with its key, refused without; then the key is changed."""
    old, new = make_key(shell, "old"), make_key(shell, "new")
    shell.call("run", "app:desk", "ask", "--thread", "t17")
    plain = show(shell)
    assert plain.code == 0

    monkeypatch.setenv(VARIABLE, old)
    refused = show(shell)
    assert "interlock keys seal" in refused.err
    sealed = shell.call("keys", "seal", "--storage", DATABASE)
    assert (sealed.code, sealed.err) == (0, "")
    assert "'old'" in sealed.out
    assert show(shell).out == plain.out
    assert shell.call("keys", "seal", "--storage", DATABASE, "--json").data["changed"] == {}

    monkeypatch.delenv(VARIABLE)
    refused = show(shell)
    assert refused.code != 0
    assert VARIABLE in refused.err
    assert shell.call("resume", "app:desk", "t17").code not in {0, 4}

    monkeypatch.setenv(VARIABLE, f"{new},{old}")
    rotated = shell.call("keys", "rotate", "--storage", DATABASE, "--json")
    assert rotated.data["changed"]["runs.goal"] == 1
    monkeypatch.setenv(VARIABLE, new)
    assert show(shell).out == plain.out
    assert shell.call("inbox", "--team", "app:desk").code == 0
    monkeypatch.setenv(VARIABLE, old)
    assert "'new' was not given" in show(shell).err


def test_a_team_takes_the_keys_of_the_environment(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run, its resumes and its readers all use the keys in the environment."""
    monkeypatch.setenv(VARIABLE, make_key(shell, "k"))
    assert shell.call("run", "app:desk", "ask", "--thread", "t17").code == 4
    assert b"delivered" not in (shell.folder / "desk.db").read_bytes()
    assert shell.call("handoffs", "t17", "--team", "app:desk").code == 0
    assert shell.call("resume", "app:desk", "t17").code == 4
    monkeypatch.delenv(VARIABLE)
    assert shell.call("status", "t17", "--team", "app:desk").code != 0


def test_wrong_keys_are_worded(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that cannot be read, and none where some are needed, are errors that say what to do."""
    shell.call("run", "app:desk", "ask", "--thread", "t17")
    without = shell.call("keys", "rotate", "--storage", DATABASE)
    assert VARIABLE in without.err
    assert "interlock keys new" in without.err
    monkeypatch.setenv(VARIABLE, "secretsecret")
    wrong = show(shell)
    assert wrong.code != 0
    assert "id:base64" in wrong.err
    assert "secretsecret" not in wrong.err
