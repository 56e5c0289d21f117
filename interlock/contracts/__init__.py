"""The words of the product: what crosses rooms. Standard library and pydantic only."""
