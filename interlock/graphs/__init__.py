"""Wiring only: which nodes there are and which edges lead between them."""
