"""Checkout of the shop, v2.5.2."""


def total(order):
    return order["price"] * order["pieces"]
