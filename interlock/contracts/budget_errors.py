"""What can go wrong when a budget bounds a model call; trying again helps with none of it.

PermanentError
+- BudgetExhaustedError  a call could use more than a bound has left
+- UnpricedModelError    a bound on money, and a model of which nobody said what it costs
"""

from interlock.contracts.errors import PermanentError


class BudgetExhaustedError(PermanentError):
    """A model call could use more than a budget has left; it did not go out.

    Attributes:
        owner: Whose budget it is, in words.
        bound: The budget, in words.
        spent: What is used up.
        reserved: What running calls and steps hold of the rest.
        needed: What the call could use.
        model: The model that was to be called.
    """

    owner: str
    bound: str
    spent: str
    reserved: str
    needed: str
    model: str

    def __init__(
        self, *, owner: str, bound: str, spent: str, reserved: str, needed: str, model: str
    ) -> None:
        """Name the budget, where it stands, and what was asked of it."""
        super().__init__(
            owner=owner, bound=bound, spent=spent, reserved=reserved, needed=needed, model=model
        )

    def __str__(self) -> str:
        """Say which bound, what is left of it, and what to do."""
        held = f", {self.reserved} reserved" if self.reserved else ""
        return (
            f"{self.owner}'s budget of {self.bound} does not allow this call of {self.model!r}, "
            f"which could use {self.needed} ({self.spent} spent{held}). Raise the budget, send "
            "less, or limit the model's output tokens."
        )


class UnpricedModelError(PermanentError):
    """A budget bounds money, and nobody said what a model costs; the call did not go out."""

    owner: str
    model: str

    def __init__(self, *, owner: str, model: str) -> None:
        """Name whose budget it is and the model."""
        super().__init__(owner=owner, model=model)

    def __str__(self) -> str:
        """Say what to add."""
        return (
            f"{self.owner}'s budget bounds money, and the price of model {self.model!r} is not "
            f"known. Add RunPolicy(prices={{{self.model!r}: Price(input=..., output=...)}}), per "
            "million tokens."
        )
