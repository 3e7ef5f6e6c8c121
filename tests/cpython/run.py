"""Runs one of CPython's own test modules as `python3 -m test` does, and notes how each test ends.

    run.py RESULTS MODULE [option of regrtest ...]

RESULTS gets a JSON array for each end: the test's id, the outcome, and why it failed or was skipped. A test
that ends in several ways (subtests) has several lines.
"""

import json
import sys
import traceback
import unittest

from test import support
from test.libregrtest import main, testresult


class Recorder(testresult.RegressionTestResult):
    def note(self, test, outcome, why=None):
        # A subtest counts for its test.
        test = getattr(test, 'test_case', test)
        print(json.dumps([test.id(), outcome, why]), file=results, flush=True)

    def startTest(self, test):
        self.note(test, 'started')
        super().startTest(test)

    def addSuccess(self, test):
        self.note(test, 'passed')
        super().addSuccess(test)

    def addExpectedFailure(self, test, error):
        self.note(test, 'passed')
        super().addExpectedFailure(test, error)

    def addUnexpectedSuccess(self, test):
        self.note(test, 'failed', 'unexpected success')
        super().addUnexpectedSuccess(test)

    def addSkip(self, test, reason):
        self.note(test, 'skipped', reason)
        super().addSkip(test, reason)

    def addError(self, test, error):
        self.note(test, 'failed', said(error))
        super().addError(test, error)

    def addFailure(self, test, error):
        self.note(test, 'failed', said(error))
        super().addFailure(test, error)

    def addSubTest(self, test, subtest, error):
        if error is not None:
            self.note(test, 'failed', said(error))
        super().addSubTest(test, subtest, error)


class Missing(type(sys)):
    """A module of CPython's own for tests that is not in the image: what uses it is skipped."""

    def __getattr__(self, name):
        if name.startswith('__'):
            raise AttributeError(name)
        raise unittest.SkipTest(f'requires {self.__name__}')


def lift_skips_of_whole_modules():
    """On WASI CPython skips some modules as a whole for what some of their tests need."""
    if not support.is_wasi:
        return
    # test_bytes
    sys.modules['_testlimitedcapi'] = Missing('_testlimitedcapi')
    # Of WASI CPython thinks that it has no processes.
    support.has_subprocess_support = True
    # test_asyncio
    requires_working_socket = support.requires_working_socket
    support.requires_working_socket = lambda *, module=False: None if module else requires_working_socket()


def said(error):
    return ''.join(traceback.format_exception(*error))[-1500:]


results = open(sys.argv[1], 'w', encoding='ascii')
testresult.RegressionTestResult = Recorder
lift_skips_of_whole_modules()
sys.argv[1:] = sys.argv[2:]
main.main()
