"""What tokens of a model cost, counted exactly."""

from decimal import Decimal
from typing import Annotated, Final

from pydantic import Field

from interlock.contracts.frozen_model import FrozenModel

MONEY_UNITS: Final = 10**12
"""Whole numbers of this share of the currency's unit are what money is counted in."""

_TOKENS_A_PRICE: Final = 10**6
_UNITS_A_TOKEN: Final = MONEY_UNITS // _TOKENS_A_PRICE

PriceOfTokens = Annotated[Decimal, Field(ge=0, max_digits=16, decimal_places=6)]
"""Of a million tokens; with six decimals, one token costs a whole number of money units."""


class Price(FrozenModel):
    """What a million tokens of a model cost, in the currency that all budgets are in.

    Attributes:
        input: Of tokens that are sent.
        output: Of tokens that come back.
        cached_input: Of sent tokens that the provider reads from its cache; None: as all others.
    """

    input: PriceOfTokens
    output: PriceOfTokens
    cached_input: PriceOfTokens | None = None

    def count_units(self, *, input_tokens: int, output_tokens: int, cached_tokens: int = 0) -> int:
        """Return what tokens cost, in money units.

        Args:
            input_tokens: All that were sent, cached ones too.
            output_tokens: All that came back.
            cached_tokens: How many of those sent were read from a cache.
        """
        cached = self.input if self.cached_input is None else self.cached_input
        known = min(max(cached_tokens, 0), input_tokens)
        fresh = (input_tokens - known) * int(self.input * _UNITS_A_TOKEN)
        read = known * int(cached * _UNITS_A_TOKEN)
        return fresh + read + output_tokens * int(self.output * _UNITS_A_TOKEN)

    def count_bound(self, *, input_tokens: int, output_tokens: int) -> int:
        """Return the most that a call of this size can cost, in money units."""
        fresh = self.count_units(input_tokens=input_tokens, output_tokens=output_tokens)
        cached = self.count_units(
            input_tokens=input_tokens, output_tokens=output_tokens, cached_tokens=input_tokens
        )
        return max(fresh, cached)


def parse_money(amount: Decimal) -> int:
    """Return an amount in money units, rounded down."""
    return int(amount * MONEY_UNITS)


def dump_money(units: int) -> Decimal:
    """Return money units as an amount without needless zeros."""
    amount = Decimal(units).scaleb(-12)
    return amount.quantize(Decimal(1)) if amount == amount.to_integral() else amount.normalize()
