"""Checks that print a line each, and a count at the end."""

import sys
import traceback


class Checks:
    def __init__(self):
        self.passed = 0
        self.failed = []

    def same(self, name, actual, expected):
        self.note(name, None if actual == expected else f"expected {expected!r}, got {actual!r}")

    def true(self, name, holds, what=""):
        self.note(name, None if holds else f"does not hold: {what!r}")

    def raises(self, name, kind, words, call):
        try:
            result = call()
        except kind as error:
            self.note(name, None if words in str(error) else f"expected {words!r} in {error!r}")
        except Exception as error:
            self.note(name, f"expected {kind.__name__}, got {error!r}")
        else:
            self.note(name, f"expected {kind.__name__}, got {result!r}")

    async def raises_later(self, name, kind, words, awaitable):
        try:
            result = await awaitable
        except kind as error:
            self.note(name, None if words in str(error) else f"expected {words!r} in {error!r}")
        except Exception as error:
            self.note(name, f"expected {kind.__name__}, got {error!r}")
        else:
            self.note(name, f"expected {kind.__name__}, got {result!r}")

    def note(self, name, wrong):
        if wrong is None:
            self.passed += 1
            print(f"ok {self.passed + len(self.failed)} {name}", flush=True)
        else:
            self.failed.append(name)
            print(f"FAIL {self.passed + len(self.failed)} {name}: {wrong}", flush=True)

    def end(self):
        """Prints the count and ends the program."""
        broke = sys.exc_info()[0] is not None
        if broke:
            traceback.print_exc()
        print(f"{self.passed} passed, {len(self.failed)} failed{', and broke off' if broke else ''}")
        sys.exit(1 if broke or self.failed else 0)
