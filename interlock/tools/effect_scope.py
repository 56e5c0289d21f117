"""Where a guarded call finds its ledger, and what tells its effects from all others.

The worker node opens a scope for each attempt; outside a run the user does, with `effects`. A scope
also says where in the attempt a call stands, so that the same call has the same ordinal whenever
the attempt, or a part of it, is run again:

* Calls are counted among equal ones in the LangGraph task that makes them, right below the worker:
  LangGraph runs an unfinished task again from its top, and a finished one never. Its tasks have
  names that survive a resume.
* A call that was answered with an error gives its place back: the next equal call is its retry.
  Wherever it is made, it begins no new effect beside one of which nobody knows whether it happened.
* A call for which the model's own tool call is known stands where that tool call stands.
* A call that a guarded tool makes itself stands within that tool's effect.
"""

import secrets
import threading
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from langchain_core.runnables.config import var_child_runnable_config

from interlock.contracts.clock import Clock, SystemClock
from interlock.contracts.effect_errors import AttemptOverError
from interlock.contracts.effect_ledger import EffectLedger
from interlock.contracts.effects import EffectCall, EffectRecord
from interlock.contracts.errors import ConfigurationError
from interlock.contracts.flights import Flights
from interlock.contracts.ids import IdempotencyKey, StepId, ThreadId, WorkerName
from interlock.contracts.limits import LimitLedger
from interlock.contracts.limits import Notice as BreakerNotice
from interlock.contracts.plain import Plain
from interlock.tools.canonical_arguments import derive_arguments_hash, derive_call_name
from interlock.tools.declaration import EffectDeclaration
from interlock.tools.tool_turns import ToolTurns

WAIT_SECONDS: Final = 10.0
"""How long a duplicate waits for a call that is running, unless somebody says otherwise."""

WITHIN: Final = ">"
"""Stands in a place between the key of the effect that a call is a part of and the rest."""

_LEVEL: Final = "|"
_NO_STEP: Final = StepId("")
_NO_WORKER: Final = WorkerName("")
_RUNTIME: Final = "__pregel_runtime"

Notice = Callable[[EffectRecord, bool], None]
"""Told an effect that has changed or was answered, and whether the call was a duplicate."""


@dataclass(frozen=True, slots=True)
class CallPlace:
    """Where a call stands among equal ones.

    Attributes:
        group: What it is counted in.
        index: From 0.
    """

    group: tuple[str, ...]
    index: int

    def __str__(self) -> str:
        """Return the place as the ledger keeps it."""
        task, *_, call_id = self.group
        return f"{task}!{call_id}" if call_id else f"{task}#{self.index}"


class WatchesTools(Protocol):
    """Notes when tools are called and when they answer."""

    def begin(self, tool: str, *, is_guards: bool = False) -> Any:  # noqa: ANN401 - its own
        """Note that a tool is called now, and return what to give back at its end."""
        ...

    def end(self, call: Any, error: BaseException | None = None) -> None:  # noqa: ANN401 - its own
        """Note that a tool has answered, or raised."""
        ...


@dataclass(slots=True, kw_only=True)
class EffectScope:
    """What guarded calls of one attempt have in common.

    Attributes:
        ledger: Where their effects are recorded.
        flights: Holds calls that outlive who made them.
        thread_id: The thread, or the scope outside a run.
        epoch: The effect epoch.
        step_id: The step, by path; empty outside a run.
        worker: Who calls.
        attempt: The attempt, by path.
        namespace: The worker's own checkpoint namespace; empty outside a run.
        is_own: Whether the worker's effects are its own, and not those of the step's other workers.
        is_fenced: Whether the thread's lease is checked.
        clock: Time.
        wait_seconds: How long a duplicate waits.
        declarations: By tool; each guarded call adds its own.
        notice: Told of every call.
        touched: The effects that this execution of the attempt called for, as last seen.
        answered: Those of them that were answered from the ledger.
        is_over: Whether the attempt has ended: no effect begins any more.
        within: The effect whose tool makes the calls; None if the worker itself does.
        limits: Where breakers and rates of tools are kept.
        breaker_notice: Told if one of these breakers changes.
        watch: Notes when tools are called and when they answer.
    """

    ledger: EffectLedger
    thread_id: ThreadId
    epoch: int = 0
    step_id: StepId = _NO_STEP
    worker: WorkerName = _NO_WORKER
    attempt: str
    namespace: str = ""
    is_own: bool = False
    is_fenced: bool = False
    clock: Clock = field(default_factory=SystemClock)
    wait_seconds: float = WAIT_SECONDS
    flights: Flights = field(default_factory=Flights)
    declarations: dict[str, EffectDeclaration] = field(default_factory=dict)
    notice: Notice | None = None
    touched: dict[IdempotencyKey, EffectRecord] = field(default_factory=dict)
    answered: set[IdempotencyKey] = field(default_factory=set)
    is_over: bool = False
    within: IdempotencyKey | None = None
    limits: LimitLedger | None = None
    breaker_notice: BreakerNotice | None = None
    watch: "WatchesTools | None" = None
    _taken: dict[tuple[str, ...], set[int]] = field(default_factory=dict)
    _unanswered: dict[str, dict[str, None]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def open_turns(self, declaration: EffectDeclaration) -> ToolTurns:
        """Return what asks a tool's breaker and rate."""
        return ToolTurns(
            declaration=declaration,
            ledger=self.limits,
            clock=self.clock,
            notice=self.breaker_notice,
        )

    def describe_call(
        self,
        declaration: EffectDeclaration,
        arguments: Mapping[str, Plain],
        place: CallPlace,
        *,
        name: str,
    ) -> EffectCall:
        """Return the call as the ledger is asked about it."""
        return EffectCall(
            thread_id=self.thread_id,
            epoch=self.epoch,
            step_id=self.step_id,
            worker=self.worker,
            tool=declaration.tool,
            arguments=declaration.complete(arguments),
            arguments_hash=derive_arguments_hash(dict(arguments)),
            name=name,
            attempt=self.attempt,
            place=str(place),
            repeats=self._list_unanswered(name),
            is_sole=declaration.key_from is not None,
            is_fenced=self.is_fenced,
            is_natural=declaration.natural,
            is_irreversible=declaration.irreversible,
            can_undo=declaration.undo is not None,
        )

    def declare(self, declaration: EffectDeclaration) -> None:
        """Remember how a tool is declared: by its name, and as its worker has it."""
        self.declarations[declaration.tool] = declaration
        self.declarations[f"{self.worker}/{declaration.tool}"] = declaration

    def derive_name(self, declaration: EffectDeclaration, arguments: Mapping[str, Plain]) -> str:
        """Return what all calls equal to this one share."""
        named: Any = dict(arguments)
        if declaration.key_from is not None:
            named = {"key": declaration.derive_business_key(arguments)}
        return derive_call_name(
            self.thread_id,
            epoch=self.epoch,
            step_id=self.step_id,
            worker=self.worker if self.is_own else "",
            tool=declaration.tool,
            arguments=named,
        )

    def take_place(self, name: str, *, tool_call_id: str | None) -> CallPlace:
        """Return where a call stands, and hold the place until it is given back."""
        task, execution = _find_task(self.namespace)
        if self.within is not None:
            task = f"{self.within}{WITHIN}{task}"
        if tool_call_id:
            return CallPlace((task, execution, name, tool_call_id), 0)
        group = (task, execution, name, "")
        with self._lock:
            taken = self._taken.setdefault(group, set())
            index = next(i for i in range(len(taken) + 1) if i not in taken)
            taken.add(index)
        return CallPlace(group, index)

    def give_back(self, place: CallPlace) -> None:
        """Let the next equal call stand where this one stood: it is a retry of it.

        In another task, or for another of the model's tool calls, it has a place of its own; then
        the ledger is told that this one got no answer.
        """
        _, _, name, *_ = place.group
        with self._lock:
            self._taken.get(place.group, set()).discard(place.index)
            self._unanswered.setdefault(name, {})[str(place)] = None

    def _list_unanswered(self, name: str) -> tuple[str, ...]:
        with self._lock:
            return tuple(self._unanswered.get(name, ()))

    def end(self) -> None:
        """Let no further effect begin: whoever would make it has been given up, or has returned.

        Duplicates, however late, are answered all the same.
        """
        self.is_over = True

    def require_open(self, tool: str) -> None:
        """Return unless the attempt has ended.

        Raises:
            AttemptOverError: It has.
        """
        if self.is_over:
            raise AttemptOverError(tool=tool, step_id=self.step_id)

    @property
    def execution(self) -> object:
        """What tells the executions of an attempt apart: one object for all the calls of one."""
        return self._taken

    def lend(self, key: IdempotencyKey) -> "EffectScope":
        """Return the scope for the calls of a tool that is running: it may outlast the attempt.

        Args:
            key: Of the tool's effect, of which those that it makes are parts.
        """
        return replace(self, is_over=False, within=key)

    def repeat(self) -> "EffectScope":
        """Return the scope of the same attempt made once more: its calls stand where these stood."""
        return replace(self, _taken={}, _unanswered={}, _lock=threading.Lock())

    def note(self, record: EffectRecord, *, is_duplicate: bool) -> None:
        """Remember an effect as it stands now, and tell who listens."""
        self.touched[record.key] = record
        if is_duplicate:
            self.answered.add(record.key)
        if self.notice is not None:
            self.notice(record, is_duplicate)


def find_declaration(
    declarations: Mapping[str, EffectDeclaration], effect: EffectRecord
) -> EffectDeclaration | None:
    """Return how the tool of an effect is declared, if that is known here.

    Workers may have tools of one name, each with an undo of its own.
    """
    by_worker = declarations.get(f"{effect.worker}/{effect.tool}")
    return by_worker or declarations.get(effect.tool)


CURRENT_SCOPE: ContextVar[EffectScope | None] = ContextVar("interlock_effect_scope", default=None)


def _find_task(namespace: str) -> tuple[str, str]:
    """Return the LangGraph task below the worker that is running, and which execution of it.

    Numbers between the levels of a namespace are no levels: LangGraph numbers the graphs that one
    node runs one after another, also when a retry runs one again. What such a graph does again
    below one task is taken for a repetition: better an effect too few than one too many.
    """
    config = var_child_runnable_config.get() or {}
    conf: Mapping[str, Any] = config.get("configurable") or {}
    here = str(conf.get("checkpoint_ns") or "")
    if not namespace or not here.startswith(namespace + _LEVEL):
        return "", ""
    levels = here[len(namespace) + 1 :].split(_LEVEL)
    while levels and levels[0].isdigit():
        levels.pop(0)
    if not levels:
        return "", ""
    task, *below = levels
    if below:
        return task, below[0] if below[0].isdigit() else ""
    info = getattr(conf.get(_RUNTIME), "execution_info", None)
    return task, f"attempt {getattr(info, 'node_attempt', 1)}"


class effects:  # noqa: N801 - used like a function: `with il.effects(...)`
    """Lets guarded tools be called outside a run; a block, entered by `with` or `async with`.

    Each time a block is entered, also with the same scope in another process, is one attempt: the
    calls in it are matched one by one with those of earlier blocks, so that a script that is
    started again repeats no effect.
    """

    def __init__(
        self,
        *,
        ledger: Any,  # noqa: ANN401 - an EffectLedger, or a storage that has one
        scope: str,
        clock: Clock | None = None,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        """Prepare a block.

        Args:
            ledger: An opened storage, or its `ledger`.
            scope: Names what the effects belong to, such as a tenant and a job: keys never cross
                scopes.
            clock: Time; the machine's if left out.
            wait_seconds: How long a duplicate waits for a call that is running.

        Raises:
            ConfigurationError: The scope is empty, or what was given has no ledger.
        """
        if not scope or not isinstance(scope, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError(
                f"effects() was given the scope {scope!r}. Name what the effects belong to, such as "
                "'tenant-7/nightly'."
            )
        found: EffectLedger | None
        found = ledger if hasattr(ledger, "apply_blocking") else getattr(ledger, "ledger", None)
        if found is None:
            raise ConfigurationError(
                f"effects() was given {ledger!r} as ledger. Give it an opened storage, such as "
                "`async with il.open_storage(url) as storage` lends, or its `ledger`."
            )
        self._ledger = found
        self._limits: LimitLedger | None = getattr(ledger, "limits", None)
        self._scope = scope
        self._clock = clock or SystemClock()
        self._wait_seconds = wait_seconds
        self._tokens: list[Token[EffectScope | None]] = []

    def __enter__(self) -> EffectScope:
        """Begin an attempt."""
        opened = EffectScope(
            ledger=self._ledger,
            limits=self._limits,
            flights=self._ledger.flights,
            thread_id=ThreadId(self._scope),
            attempt=f"block@{secrets.token_hex(8)}",
            clock=self._clock,
            wait_seconds=self._wait_seconds,
        )
        self._tokens.append(CURRENT_SCOPE.set(opened))
        return opened

    def __exit__(self, *exc_info: object) -> None:
        """End the attempt."""
        CURRENT_SCOPE.reset(self._tokens.pop())

    async def __aenter__(self) -> EffectScope:
        """Begin an attempt."""
        return self.__enter__()

    async def __aexit__(self, *exc_info: object) -> None:
        """End the attempt."""
        self.__exit__(*exc_info)
