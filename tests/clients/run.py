#!/usr/bin/env python3
"""Runs the client suite against the real binary: one line a test, on one database.

  run.py --database sqlite|postgres --binary target/debug/facteur [name of a test ...]

PostgreSQL is the cluster that FACTEUR_TEST_POSTGRES_URL names (tests/run starts it)."""
import argparse
import os
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import facteur

parser = argparse.ArgumentParser()
parser.add_argument("--database", choices=["sqlite", "postgres"], required=True)
parser.add_argument("--binary", required=True)
parser.add_argument("names", nargs="*")
options = parser.parse_args()


class OneLine(unittest.TextTestResult):
    """Says `name ... ok`, without the file it stands in."""

    def getDescription(self, test):
        return f"{options.database} {type(test).__name__}.{test._testMethodName}"


facteur.BINARY = os.path.abspath(options.binary)
facteur.DATABASE = options.database
loader = unittest.TestLoader()
if options.names:
    loader.testNamePatterns = [f"*{name}*" for name in options.names]
suite = loader.discover(os.path.dirname(os.path.abspath(__file__)), pattern="test_*.py")
with facteur.Server() as server:
    facteur.SERVER = server
    result = unittest.TextTestRunner(verbosity=2, resultclass=OneLine).run(suite)
    if result.testsRun == 0:
        sys.exit("no test ran")
    if not result.wasSuccessful():
        print(server.log_tail(), file=sys.stderr)
        sys.exit(1)
