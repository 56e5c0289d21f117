"""I11: what is spent and reserved never passes a bound, and everything reserved returns."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.contracts.ids import StepId
from interlock.contracts.outcome import Usage
from interlock.contracts.policy import Budget
from interlock.contracts.spending import DIMENSIONS, Amount, Caller
from interlock.nodes.run.account import Account, Reservation
from interlock.nodes.run.spending_book import Book, list_keys

PATHS = ("a", "b", "a/c", "a/d", "a/c/e")
BOUND = st.none() | st.integers(1, 60)
BUDGETS = st.builds(Budget, tokens=BOUND, model_calls=st.none() | st.integers(1, 6))
DEEDS = st.lists(
    st.tuples(
        st.sampled_from(["open", "close", "reserve", "settle"]),
        st.integers(0, len(PATHS) - 1),
        st.integers(0, 40),
    ),
    max_size=40,
)


def build_tree(budgets: list[Budget]) -> dict[str, Account]:
    """Return the accounts of a run, its steps, and their teams, by key."""
    book = Book()
    accounts = {"": Account(kind="run", key="", budget=budgets[0], book=book)}
    for path, budget in zip(PATHS, budgets[1:], strict=True):
        scope = path[: path.rfind("/") + 1]
        if scope not in accounts:
            above = accounts[scope.removesuffix("/")]
            accounts[scope] = Account(
                kind="run", key=scope, budget=Budget(), book=book, parent=above
            )
        accounts[path] = Account(
            kind="step", key=path, budget=budget, book=book, parent=accounts[scope]
        )
    return accounts


def require_bounds(accounts: dict[str, Account], told: dict[str, Amount]) -> None:
    """Fail if an account is beyond a bound, or says otherwise than a recount of what it was told."""
    for key, account in accounts.items():
        for dimension in DIMENSIONS:
            spent = told.get(key, Amount()).get(dimension)
            assert account.get_spent(dimension) == spent
            held = account.held.get(dimension, 0)
            assert held >= account.held_by_calls.get(dimension, 0) >= 0
            bound = account.get_bound(dimension)
            assert bound is None or spent + held <= bound, (key, dimension)


def settle(reservation: Reservation, path: str, *, share: int, told: dict[str, Amount]) -> None:
    """End a call that used a share, of 40, of the tokens that it reserved."""
    used = Amount(model_calls=1, tokens=reservation.amount.tokens * share // 40)
    caller = Caller(path=StepId(path), superstep="s", attempt=1, role="worker", worker="w")
    book = reservation.account.book
    reservation.settle(used, tell=lambda amount: book.add_call(caller, amount, report=Usage()))
    for end in [0, *(n for n, x in enumerate(path) if x == "/"), len(path)]:
        keys = {path[:end], path[: end + 1]} if path[end : end + 1] == "/" else {path[:end]}
        for key in keys:
            told[key] = told.get(key, Amount()) + used


@settings(deadline=None)
@given(st.lists(BUDGETS, min_size=6, max_size=6), DEEDS)
def test_i11_nothing_passes_a_bound_and_everything_returns(
    budgets: list[Budget], deeds: list[tuple[str, int, int]]
) -> None:
    """Steps open and close, calls reserve and settle for less, in any order and at any depth."""
    accounts = build_tree(budgets)
    told: dict[str, Amount] = {}
    calls: list[tuple[str, Reservation]] = []
    for deed, which, size in deeds:
        path = PATHS[which]
        account = accounts[path]
        is_busy = any(one == path or one.startswith(f"{path}/") for one, _ in calls)
        is_held = any(accounts[one].allotted for one in PATHS if one.startswith(f"{path}/"))
        amount = Amount(model_calls=1, tokens=size)
        if deed == "open" and not is_busy and account.find_opening_lack() is None:
            if not is_held:
                account.open()
        elif deed == "close" and not is_busy and not is_held:
            account.close()
        elif deed == "reserve" and account.find_lack(amount) is None:
            calls.append((path, account.reserve(amount)))
        elif deed == "settle" and calls:
            place, reservation = calls.pop(which % len(calls))
            settle(reservation, place, share=size, told=told)
        require_bounds(accounts, told)
    for place, reservation in calls:
        settle(reservation, place, share=40, told=told)
    for path in reversed(PATHS):
        accounts[path].close()
    require_bounds(accounts, told)
    assert not any(any(one.held.values()) for one in accounts.values())


def test_i11_what_a_call_used_beyond_its_reservation_lets_nothing_more_start() -> None:
    """An overdraft is counted in full, and no call fits any more."""
    accounts = build_tree([Budget(tokens=10), *[Budget()] * 5])
    reservation = accounts["a"].reserve(Amount(model_calls=1, tokens=5))
    caller = Caller(path=StepId("a"), superstep="s", attempt=1, role="worker", worker="w")
    book = accounts["a"].book
    tell: Any = lambda amount: book.add_call(caller, amount, report=Usage())  # noqa: E731
    reservation.settle(Amount(model_calls=1, tokens=12), tell=tell)
    lack = accounts["b"].find_lack(Amount(tokens=1))
    assert lack is not None
    assert (lack.spent, lack.held, lack.may_return) == (12, 0, False)


def test_the_accounts_of_a_path_are_those_of_all_steps_and_teams_above() -> None:
    """A call of a step in a team counts for the step, its team, the step above and the run."""
    assert list(list_keys("a/b")) == ["", "a", "a/", "a/b"]
    assert list(list_keys("a/")) == ["", "a", "a/"]
    assert list(list_keys("")) == [""]
