"""What each tool of the shop does, and what it refuses."""

import json

import pytest

from interlock.demo.shop import Shop

PENDING = "#W8665881"
CUSTOMER = "fatima_johnson_7581"


def find_order(shop: Shop, **wanted: object) -> dict:
    """Return the first order whose fields have these values."""
    for document in shop.load_tables()["orders"].values():
        order = json.loads(document)
        if all(order[name] == value for name, value in wanted.items()):
            return order
    pytest.fail(f"no packaged order has {wanted}")


def put(shop: Shop, table: str, key: str, **changes: object) -> None:
    """Change fields of a record behind the tools' back."""
    record = {**shop.load_record(table, key), **changes}
    with shop._begin() as records:
        records.save(table, key, record=record)


def test_a_cancelled_order_is_refunded_once(shop: Shop) -> None:
    """A second cancellation is refused and changes nothing."""
    order = json.loads(
        shop.call("cancel_pending_order", {"order_id": PENDING, "reason": "no longer needed"})
    )
    assert order["status"] == "cancelled"
    assert [entry["transaction_type"] for entry in order["payment_history"]] == [
        "payment",
        "refund",
    ]
    before = shop.derive_hash()
    again = shop.call("cancel_pending_order", {"order_id": PENDING, "reason": "no longer needed"})
    assert again == "Error: non-pending order cannot be cancelled"
    assert shop.derive_hash() == before


def test_every_entry_of_a_cancelled_orders_history_is_refunded(shop: Shop) -> None:
    """Cancelling after a change of method appends one refund an entry, as the benchmark does."""
    order_id = "#W4923227"
    shop.call(
        "modify_pending_order_payment",
        {"order_id": order_id, "payment_method_id": "credit_card_8897086"},
    )
    order = json.loads(
        shop.call("cancel_pending_order", {"order_id": order_id, "reason": "ordered by mistake"})
    )
    assert [
        (entry["transaction_type"], entry["payment_method_id"])
        for entry in order["payment_history"]
    ] == [
        ("payment", "credit_card_8554680"),
        ("payment", "credit_card_8897086"),
        ("refund", "credit_card_8554680"),
        ("refund", "credit_card_8554680"),
        ("refund", "credit_card_8897086"),
        ("refund", "credit_card_8554680"),
    ]


def test_a_gift_card_is_credited_at_once(shop: Shop) -> None:
    """The refund of an order paid by gift card is in its balance, rounded to cents."""
    order_id, user_id, card = "#W9373487", "olivia_lopez_3865", "gift_card_7711863"
    before = shop.load_record("users", user_id)["payment_methods"][card]["balance"]
    shop.call("cancel_pending_order", {"order_id": order_id, "reason": "no longer needed"})
    after = shop.load_record("users", user_id)["payment_methods"][card]["balance"]
    assert after == round(before + 109.27, 2)


def test_a_gift_card_must_cover_a_moved_payment(shop: Shop) -> None:
    """A payment moves to a gift card only if the balance covers it, and is then taken off it."""
    order = shop.load_record("orders", "#W4923227")
    user = shop.load_record("users", order["user_id"])
    amount = order["payment_history"][0]["amount"]
    arguments = {"order_id": "#W4923227", "payment_method_id": "gift_card_1"}
    for balance, left in ((amount - 0.01, None), (amount + 0.5, 0.5)):
        card = {"source": "gift_card", "balance": balance, "id": "gift_card_1"}
        methods = {**user["payment_methods"], "gift_card_1": card}
        put(shop, "users", order["user_id"], payment_methods=methods)
        answer = shop.call("modify_pending_order_payment", arguments)
        assert answer.startswith("Error: insufficient gift card balance") == (left is None)
    stored = shop.load_record("users", order["user_id"])["payment_methods"]["gift_card_1"]
    assert stored["balance"] == 0.5


def test_an_order_can_be_cancelled_without_its_payment_method(shop: Shop) -> None:
    """A customer who no longer has the method is refunded there all the same, outside the shop."""
    order = shop.load_record("orders", PENDING)
    put(shop, "users", order["user_id"], payment_methods={})
    answer = json.loads(
        shop.call("cancel_pending_order", {"order_id": PENDING, "reason": "no longer needed"})
    )
    paid, refund = answer["payment_history"]
    assert refund == {**paid, "transaction_type": "refund"}
    assert shop.load_record("users", order["user_id"])["payment_methods"] == {}


def test_an_order_without_a_payment_is_returned_to_a_gift_card_only(shop: Shop) -> None:
    """No method is the original one of an order that nobody paid."""
    order = find_order(shop, status="delivered")
    methods = {
        "gift_card_1": {"source": "gift_card", "balance": 0, "id": "gift_card_1"},
        "paypal_1": {"source": "paypal", "id": "paypal_1"},
    }
    put(shop, "users", order["user_id"], payment_methods=methods)
    put(shop, "orders", order["order_id"], payment_history=[])
    arguments = {"order_id": order["order_id"], "item_ids": [order["items"][0]["item_id"]]}
    refused = shop.call(
        "return_delivered_order_items", {**arguments, "payment_method_id": "paypal_1"}
    )
    assert refused.startswith("Error: payment method should be")
    returned = shop.call(
        "return_delivered_order_items", {**arguments, "payment_method_id": "gift_card_1"}
    )
    assert json.loads(returned)["status"] == "return requested"


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        ({"item_ids": ["1"]}, "1 not found"),
        ({"item_ids": []}, "the number of items"),
        ({"payment_method_id": "paypal_0"}, "payment method not found"),
        ({"new_item_ids": ["1"]}, "new item 1 not found or available"),
        ({"order_id": "#W0"}, "order not found"),
        ({"item_ids": "1"}, "invalid arguments: item_ids should be a list of texts"),
        ({"item_ids": [1]}, "invalid arguments: item_ids should be a list of texts"),
        ({"colour": "red"}, "invalid arguments: colour is not known"),
        ({"order_id": "\ud800"}, "invalid arguments: "),
    ],
)
def test_bad_requests_are_refused_without_a_change(
    shop: Shop, arguments: dict, refusal: str
) -> None:
    """Each guard of a change of items answers with a refusal and leaves everything as it was."""
    order = shop.load_record("orders", PENDING)
    item = order["items"][0]
    variants = shop.load_record("products", item["product_id"])["variants"]
    good = {
        "order_id": PENDING,
        "item_ids": [item["item_id"]],
        "new_item_ids": [next(key for key, variant in variants.items() if variant["available"])],
        "payment_method_id": order["payment_history"][0]["payment_method_id"],
    }
    before = shop.derive_hash()
    answer = shop.call("modify_pending_order_items", {**good, **arguments})
    assert answer.startswith(f"Error: {refusal}")
    assert shop.derive_hash() == before
    assert not shop.call("modify_pending_order_items", good).startswith("Error")


def test_equal_items_are_counted(shop: Shop) -> None:
    """An order with one item of an id cannot return two of it, but can if it has two."""
    order = find_order(shop, status="delivered")
    item = order["items"][0]
    arguments = {
        "order_id": order["order_id"],
        "item_ids": [item["item_id"]] * 2,
        "payment_method_id": order["payment_history"][0]["payment_method_id"],
    }
    put(shop, "orders", order["order_id"], items=[item])
    assert shop.call("return_delivered_order_items", arguments).startswith("Error")
    put(shop, "orders", order["order_id"], items=[item, item])
    returned = json.loads(shop.call("return_delivered_order_items", arguments))
    assert returned["return_items"] == [item["item_id"]] * 2


def test_an_unavailable_variant_is_refused(shop: Shop) -> None:
    """A variant that is sold out cannot be chosen."""
    order = shop.load_record("orders", PENDING)
    item = order["items"][0]
    product = shop.load_record("products", item["product_id"])
    for variant in product["variants"].values():
        variant["available"] = False
    put(shop, "products", item["product_id"], variants=product["variants"])
    answer = shop.call(
        "modify_pending_order_items",
        {
            "order_id": PENDING,
            "item_ids": [item["item_id"]],
            "new_item_ids": [next(iter(product["variants"]))],
            "payment_method_id": order["payment_history"][0]["payment_method_id"],
        },
    )
    assert answer.endswith("not found or available")


def test_look_ups_ignore_case_but_not_the_zip(shop: Shop) -> None:
    """Names and emails are found whatever their case; a zip code must be exact."""
    user = shop.load_record("users", CUSTOMER)
    name = {"first_name": "FATIMA", "last_name": "johnson", "zip": user["address"]["zip"]}
    assert shop.call("find_user_id_by_email", {"email": user["email"].upper()}) == CUSTOMER
    assert shop.call("find_user_id_by_name_zip", name) == CUSTOMER
    wrong = {**name, "zip": "00000"}
    assert shop.call("find_user_id_by_name_zip", wrong) == "Error: user not found"


def test_look_ups_ignore_the_case_of_every_letter(shop: Shop) -> None:
    """Letters outside ASCII have two cases, too."""
    user = shop.load_record("users", CUSTOMER)
    name = {"first_name": "Zoë", "last_name": "Ångström"}
    put(shop, "users", CUSTOMER, name=name, email="zoë@example.com")
    shouted = {"first_name": "ZOË", "last_name": "ÅNGSTRÖM", "zip": user["address"]["zip"]}
    assert shop.call("find_user_id_by_name_zip", shouted) == CUSTOMER
    assert shop.call("find_user_id_by_email", {"email": "ZOË@EXAMPLE.COM"}) == CUSTOMER


def test_a_moved_user_is_found_by_the_new_zip(shop: Shop) -> None:
    """A changed address is what look-ups see."""
    address = {
        "address1": "1 Main St",
        "address2": "",
        "city": "Austin",
        "state": "TX",
        "country": "USA",
        "zip": "11111",
    }
    user = json.loads(shop.call("modify_user_address", {"user_id": CUSTOMER, **address}))
    assert list(user["address"].items()) == list(address.items())
    name = {"first_name": "Fatima", "last_name": "Johnson", "zip": "11111"}
    assert shop.call("find_user_id_by_name_zip", name) == CUSTOMER


def test_thoughts_and_hand_overs_change_nothing(shop: Shop) -> None:
    """The tools without effect answer with text and leave the state as it was."""
    before = shop.derive_hash()
    assert shop.call("think", {"thought": "hm"}) == ""
    assert shop.call("transfer_to_human_agents", {"summary": "s"}) == "Transfer successful"
    assert shop.call("fly", {}).startswith("Error: unknown tool 'fly'")
    assert shop.derive_hash() == before


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("3131.1 + 4777.75 + 367.38", "8276.23"),
        ("135.24 - 153.23", "-17.99"),
        (" 2 * (3 + -4) / 8 ", "-0.25"),
        ("2 + 2", "4.0"),
    ],
)
def test_arithmetic_is_rounded_to_cents(shop: Shop, expression: str, value: str) -> None:
    """A sum is a decimal number with at most two places."""
    assert shop.call("calculate", {"expression": expression}) == value


@pytest.mark.parametrize(
    "expression",
    ["", "1 +", "1/0", "2 ** 9", "7 // 2", "(1, 2)", "()", "1(2)", "os", "9" * 400, "(" * 500],
)
def test_anything_but_arithmetic_is_refused(shop: Shop, expression: str) -> None:
    """The calculator evaluates nothing but the four operations."""
    assert shop.call("calculate", {"expression": expression}).startswith("Error: ")
