"""A retail shop over SQLite: sixteen tools that answer with text, and a hash of its state."""

from interlock.demo.shop.records import TABLE_NAMES, TableName
from interlock.demo.shop.shop import REFUSAL_START, Shop
from interlock.demo.shop.tools import TOOLS, Effect, ShopTool

__all__ = [
    "REFUSAL_START",
    "TABLE_NAMES",
    "TOOLS",
    "Effect",
    "Shop",
    "ShopTool",
    "TableName",
]
