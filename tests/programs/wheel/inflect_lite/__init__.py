"""A pure-Python wheel, unpacked."""

from functools import lru_cache
from importlib.resources import files

__all__ = ["plural"]


@lru_cache
def _irregular():
    lines = files(__name__).joinpath("irregular.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split(" ", 1) for line in lines)


def plural(word, count):
    if count == 1:
        return word
    return _irregular().get(word, word + "s")
