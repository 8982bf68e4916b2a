"""Runs one statement in a SQLite database that another process uses.

    run_sql.py DATABASE STATEMENT
"""

import sqlite3
import sys

with sqlite3.connect(sys.argv[1], timeout=10) as database:
    database.execute(sys.argv[2])
