"""The driver's connection as this room uses it: autocommit, raw cursors, nothing prepared."""

from typing import Any, TypeAlias

import psycopg

Driver: TypeAlias = psycopg.Connection[tuple[Any, ...]]
DriverCursor: TypeAlias = psycopg.Cursor[tuple[Any, ...]]


def run_script(driver: Driver, script: str) -> DriverCursor:
    """Run statements without parameters in one message; the rows of the first are returned.

    Args:
        driver: The connection.
        script: Made of constants, numbers and checked names, never of what somebody has given.
    """
    return driver.execute(script.encode())
