"""Where the packaged demonstration data lies: real tickets and the records they touch."""

from pathlib import Path
from typing import Final

DATA_FOLDER: Final = Path(__file__).parent / "data"
"""Holds `orders.json`, `products.json` and `users.json`, as `Shop.create` takes them."""

TICKETS_FILE: Final = DATA_FOLDER / "tickets.json"
"""A dozen tickets with the answers and final states that are right for that data."""
