"""Which inserts can be sent together, and as what."""

import pytest

from interlock.checkpoints.postgresql.waiting_rows import (
    ROWS_A_MESSAGE,
    WaitingRows,
    parse_insert,
)

PLAIN = "INSERT INTO a (x, y) VALUES ($1, $2)"
KEYED = "INSERT INTO b\n  (x,\n   y) VALUES ($1, $2)\nON CONFLICT (x) DO UPDATE SET y = excluded.y"


def test_a_plain_insert_is_made_of_as_many_rows_as_wait() -> None:
    """Parameters are numbered on, and what happens on a conflict stays at the end."""
    insert = parse_insert(KEYED)
    assert insert is not None
    assert insert.derive_statement(2) == (
        "INSERT INTO b\n  (x,\n   y) VALUES ($1, $2), ($3, $4)"
        "\nON CONFLICT (x) DO UPDATE SET y = excluded.y"
    )


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO a (x, y) VALUES ($2, $1)",
        "INSERT INTO a (x, y) VALUES ($1, 'open')",
        "INSERT INTO a (x, y) SELECT $1, $2",
        "INSERT INTO a (x, y) VALUES ($1, $2) RETURNING x",
        "UPDATE a SET x = $1",
    ],
)
def test_what_is_no_plain_insert_is_sent_alone(statement: str) -> None:
    """Other orders, constants, results and statements do not wait."""
    assert parse_insert(statement) is None


def test_rows_are_sent_as_one_statement() -> None:
    """Each table's rows stand together, in the order in which they came; then none is left."""
    plain, keyed = parse_insert(PLAIN), parse_insert(KEYED)
    assert plain is not None
    assert keyed is not None
    waiting = WaitingRows()
    for insert, row in ((plain, (1, 2)), (keyed, (3, 4)), (plain, (5, 6))):
        assert waiting.may_add(insert, row)
        waiting.add(insert, row)
    sent = list(waiting.take())
    ((statement, parameters),) = sent
    assert statement.decode() == (
        "WITH part0 AS (INSERT INTO a (x, y) VALUES ($1, $2), ($3, $4)) "
        "INSERT INTO b\n  (x,\n   y) VALUES ($5, $6)"
        "\nON CONFLICT (x) DO UPDATE SET y = excluded.y"
    )
    assert parameters == [1, 2, 5, 6, 3, 4]
    assert list(waiting.take()) == []


def test_a_row_that_would_change_one_that_waits_is_not_added() -> None:
    """One statement cannot change a row twice; where it changes nothing, it may name it twice."""
    plain, keyed = parse_insert(PLAIN), parse_insert(KEYED)
    assert plain is not None
    assert keyed is not None
    waiting = WaitingRows()
    waiting.add(plain, (1, 2))
    waiting.add(keyed, (1, 2))
    assert waiting.may_add(plain, (1, 2))
    assert waiting.may_add(keyed, (2, 2))
    assert not waiting.may_add(keyed, (1, 3))


def test_messages_are_bounded() -> None:
    """Many rows become several messages, and big ones do not pile up."""
    insert = parse_insert(PLAIN)
    assert insert is not None
    waiting = WaitingRows()
    for number in range(ROWS_A_MESSAGE + 1):
        waiting.add(insert, (number, None))
    assert [len(parameters) for _, parameters in waiting.take()] == [2 * ROWS_A_MESSAGE, 2]
    waiting.add(insert, (1, b"x" * 2_000_000))
    assert not waiting.may_add(insert, (2, b"y"))


def test_two_inserts_into_one_table_are_sent_one_after_the_other() -> None:
    """In one statement neither would see what the other has written."""
    first = parse_insert(PLAIN)
    second = parse_insert(f"{PLAIN} ON CONFLICT (x) DO NOTHING")
    assert first is not None
    assert second is not None
    waiting = WaitingRows()
    waiting.add(first, (1, 2))
    waiting.add(second, (1, 3))
    assert [parameters for _, parameters in waiting.take()] == [[1, 2], [1, 3]]
