"""A ledger for replays: recorded effects answer, and nothing is ever run or written (I5)."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, TypeVar

from interlock.contracts.effect_ledger import (
    ListEffects,
    LoadEffect,
    Request,
    Reservation,
    ReserveEffect,
    RunInTransaction,
)
from interlock.contracts.effects import ENDED, EffectCall, EffectRecord
from interlock.contracts.errors import PermanentError
from interlock.contracts.flights import Flights

Reply = TypeVar("Reply")


class NotRecordedError(PermanentError):
    """A replayed attempt called for an effect that the ledger has no answer to; nothing was run."""

    tool: str
    call: str
    why: str

    def __init__(self, *, tool: str, call: str, why: str) -> None:
        """Name the call, and why there is no answer."""
        super().__init__(tool=tool, call=call, why=why)

    def __str__(self) -> str:
        """Say that a replay changes nothing."""
        return (
            f"{self.call} {self.why}. A replay changes nothing outside: only what was recorded is "
            "answered."
        )


class ReplayedLedger:
    """Answers the calls of one step's replayed attempt from what its ledger holds."""

    def __init__(self, effects: Sequence[EffectRecord], *, attempt: str) -> None:
        """Know the step's effects.

        Args:
            effects: With their answers, oldest first.
            attempt: Whose calls come first among equal ones: how its path ends.
        """
        self._flights = Flights()
        self._found: dict[tuple[str, str], list[EffectRecord]] = defaultdict(list)
        mine = [one for one in effects if any(use.attempt.endswith(attempt) for use in one.uses)]
        for effect in (*mine, *(one for one in effects if one not in mine)):
            self._found[effect.tool, effect.arguments_hash].append(effect)
        self._places: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
        self.answered = 0
        self.refused: list[str] = []

    @property
    def flights(self) -> Flights:
        """Calls under way."""
        return self._flights

    async def apply(self, request: Request[Reply]) -> Reply:
        """Answer a request."""
        return self.apply_blocking(request)

    def apply_blocking(self, request: Request[Reply]) -> Reply:
        """Answer a request.

        Raises:
            NotRecordedError: There is no recorded answer.
        """
        reply: Reply = self._reply_to(request)
        return reply

    def _reply_to(self, request: Any) -> Any:  # noqa: ANN401 - the request says what comes back
        match request:
            case ReserveEffect() | RunInTransaction():
                return Reservation(decision="answered", record=self._answer(request.call))
            case LoadEffect():
                known = (one for found in self._found.values() for one in found)
                return next((one for one in known if one.key == request.key), None)
            case ListEffects():
                return [one for found in self._found.values() for one in found]
            case _:
                raise NotRecordedError(
                    tool="", call=type(request).__name__, why="would be written to the ledger"
                )

    def _answer(self, call: EffectCall) -> EffectRecord:
        """Return the record that answers a call: the first for the first of equal calls, and so on."""
        key = (call.tool, str(call.arguments_hash))
        found, places = self._found[key], self._places[key]
        index = 0 if call.is_sole else places.setdefault(call.place, len(places))
        words = f"{call.tool}({', '.join(f'{k}={v!r}' for k, v in call.arguments.items())})"[:200]
        if index >= len(found):
            raise self._refuse(call, words, why="was not called in the recorded run")
        if found[index].state not in ENDED:
            raise self._refuse(call, words, why=f"is {found[index].state}: it has no known answer")
        self.answered += 1
        return found[index]

    def _refuse(self, call: EffectCall, words: str, *, why: str) -> NotRecordedError:
        self.refused.append(f"{words} {why}")
        return NotRecordedError(tool=call.tool, call=words, why=why)
