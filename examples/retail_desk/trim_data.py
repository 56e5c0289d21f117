"""Rebuild the packaged demonstration data from the full benchmark.

Usage: `python examples/retail_desk/trim_data.py WORKLOADS/tau LICENCE OUT`

Takes a dozen tickets whose records do not overlap, the customers and orders that they
touch, and all products. The expected hashes do not come from the shop's tools: the
recorded final records are put into the trimmed tables, and the result is hashed here by
the benchmark's definition.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

TICKETS = (0, 13, 16, 22, 30, 35, 39, 40, 64, 67, 91, 112)
TABLES = ("orders", "products", "users")
ACTION_KEYS = ("name", "kwargs", "obs_sha256", "error", "effect")

Tables = dict[str, dict[str, Any]]


def load(path: Path) -> Any:  # noqa: ANN401 - what JSON holds
    """Return what a JSON file holds."""
    return json.loads(path.read_text(encoding="utf-8"))


def canonicalise(value: Any) -> Any:  # noqa: ANN401 - JSON nests
    """Return the benchmark's canonical form of a state."""
    if isinstance(value, dict):
        return tuple((key, canonicalise(value[key])) for key in sorted(value))
    if isinstance(value, list):
        return tuple(map(canonicalise, value))
    return value


def derive_hash(tables: Tables) -> str:
    """Return the benchmark's hash of a state."""
    return hashlib.sha256(str(canonicalise(tables)).encode()).hexdigest()


def apply_records(tables: Tables, changed: dict[str, Any]) -> Tables:
    """Return the tables with records replaced; keys are `table/id`."""
    result = {name: dict(rows) for name, rows in tables.items()}
    for place, record in changed.items():
        table, key = place.split("/", maxsplit=1)
        result[table][key] = record
    return result


def trim_tables(tables: Tables, tickets: list[dict[str, Any]]) -> Tables:
    """Return all products, and the customers and orders that the tickets touch."""
    calls = [action["kwargs"] for ticket in tickets for action in ticket["actions"]]
    order_ids = {call["order_id"] for call in calls if "order_id" in call}
    orders = {key: order for key, order in tables["orders"].items() if key in order_ids}
    user_ids = {order["user_id"] for order in orders.values()}
    user_ids |= {ticket["user_id"] for ticket in tickets}
    user_ids |= {call["user_id"] for call in calls if "user_id" in call}
    users = {key: user for key, user in tables["users"].items() if key in user_ids}
    return {"orders": orders, "products": tables["products"], "users": users}


def trim_ticket(ticket: dict[str, Any], *, final_hash: str) -> dict[str, Any]:
    """Return the parts of a ticket that the demonstration needs."""
    return {
        "id": ticket["id"],
        "user_id": ticket["user_id"],
        "instruction": ticket["instruction"],
        "actions": [{key: action[key] for key in ACTION_KEYS} for action in ticket["actions"]],
        "final_db_sha256": final_hash,
    }


def require(holds: bool, problem: str) -> None:  # noqa: FBT001 - read as a sentence
    """Stop with the problem unless something holds."""
    if not holds:
        sys.exit(f"The benchmark is not what this script was written for: {problem}.")


def save(path: Path, value: dict[str, Any]) -> None:
    """Write JSON, one member of the outermost object a line."""
    lines = (f"{json.dumps(key)}: {json.dumps(item)}" for key, item in value.items())
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def main(source: Path, licence: Path, target: Path) -> None:
    """Write the trimmed tables, the tickets and the licence."""
    wanted = {f"retail-test-{number}" for number in TICKETS}
    full = load(source / "retail_test.json")
    final_records = load(source / "retail_test_final_records.json")
    tickets = [ticket for ticket in full["tasks"] if ticket["id"] in wanted]
    everything: Tables = {name: load(source / "retail_db" / f"{name}.json") for name in TABLES}
    require(derive_hash(everything) == full["initial_db_sha256"], "the initial state differs")
    for ticket in tickets:
        after = apply_records(everything, final_records[ticket["id"]])
        require(derive_hash(after) == ticket["final_db_sha256"], f"{ticket['id']} differs")

    tables = trim_tables(everything, tickets)
    together: dict[str, Any] = {}
    trimmed = []
    for ticket in tickets:
        changed = final_records[ticket["id"]]
        require(together.keys().isdisjoint(changed), f"{ticket['id']} overlaps another ticket")
        together |= changed
        final_hash = derive_hash(apply_records(tables, changed))
        trimmed.append(trim_ticket(ticket, final_hash=final_hash))

    target.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        save(target / f"{name}.json", rows)
    save(
        target / "tickets.json",
        {
            "initial_db_sha256": derive_hash(tables),
            "all_final_db_sha256": derive_hash(apply_records(tables, together)),
            "tasks": trimmed,
        },
    )
    (target / "LICENSE-tau-bench.txt").write_bytes(licence.read_bytes())


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
