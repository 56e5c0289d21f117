"""The demonstration: a retail desk with real tickets, over a shop of its own."""
