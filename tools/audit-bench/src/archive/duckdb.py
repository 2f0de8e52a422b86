"""Measures queries of the files of an archive with DuckDB.

Standard input has the files and the questions as JSON; standard output gets the count of rows of each question
and the median of its later executions in milliseconds.
"""

import json
import statistics
import sys
import time

import duckdb

ROUNDS = 21

asked = json.load(sys.stdin)
connection = duckdb.connect()
connection.execute("SET VARIABLE audit_files = ?::VARCHAR[]", [asked["files"]])
connection.execute(
    "CREATE VIEW audit_entry AS FROM read_parquet(getvariable('audit_files'), hive_partitioning = true)"
)
answers = []
for question in asked["questions"]:
    rows = len(connection.execute(question["sql"]).fetchall())
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        connection.execute(question["sql"]).fetchall()
        times.append(1000 * (time.perf_counter() - start))
    answers.append({"rows": rows, "milliseconds": statistics.median(times)})
json.dump(answers, sys.stdout)
