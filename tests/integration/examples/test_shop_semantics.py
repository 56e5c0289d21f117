"""The shop's tools beyond the recorded tickets, beside an oracle written from their description."""

import json
from pathlib import Path

import pytest

from interlock.demo.shop import Shop
from tests.integration.examples.drawn_tickets import TicketDraw
from tests.integration.examples.shop_data import load_tables, make_other_data, write_data
from tests.integration.examples.shop_oracle import ShopOracle


@pytest.mark.parametrize("is_other", [False, True])
def test_drawn_calls_answer_and_end_as_described(tmp_path: Path, is_other: bool) -> None:
    """Each of a thousand drawn calls returns the record, or the refusal, that its description asks for."""
    tables = make_other_data(load_tables()) if is_other else load_tables()
    oracle = ShopOracle(tables)
    draw = TicketDraw(tables, seed=5)
    seen = {"done": 0, "refused": 0}
    users = [key for key, user in tables["users"].items() if user["orders"]]
    with Shop.create(tmp_path / "shop.db", data=write_data(tmp_path / "data", tables)) as shop:
        for number, user_id in enumerate(users[:200]):
            for action in draw.draw_actions(user_id, 5):
                answer = shop.call(action["name"], action["kwargs"])
                if not hasattr(oracle, action["name"]):
                    continue
                expected = oracle.call(action["name"], action["kwargs"])
                seen["refused" if expected is None else "done"] += 1
                if expected is None:
                    assert answer.startswith("Error: "), (action, answer)
                else:
                    assert json.loads(answer) == expected, action
            if number % 20 == 0:
                assert shop.derive_hash() == oracle.derive_hash(), user_id
        assert shop.derive_hash() == oracle.derive_hash()
    assert min(seen.values()) > 150, seen
