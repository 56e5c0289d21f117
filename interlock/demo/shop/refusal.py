"""How a tool says no; `Shop.call` turns it into an answer that starts with `Error`."""


class RefusalError(Exception):
    """A request that the shop does not grant; nothing was changed."""
