"""The tool that changes a user's default address. Called through `tools`."""

from interlock.demo.shop.records import Records


def modify_user_address(  # noqa: PLR0913 - the published arguments
    records: Records,
    *,
    user_id: str,
    address1: str,
    address2: str,
    city: str,
    state: str,
    country: str,
    zip: str,  # noqa: A002 - the argument's published name
) -> str:
    """Replace the default address of a user."""
    user = records.load("users", user_id)
    user["address"] = {
        "address1": address1,
        "address2": address2,
        "city": city,
        "state": state,
        "country": country,
        "zip": zip,
    }
    return records.save("users", user_id, record=user)
