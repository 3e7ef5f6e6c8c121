from decimal import ROUND_HALF_EVEN, Decimal

CENT = Decimal("0.01")


def total(amounts):
    return sum(amounts, Decimal(0)).quantize(CENT, ROUND_HALF_EVEN)
