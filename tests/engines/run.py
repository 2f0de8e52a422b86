"""Runs blocks of docs/engines.md with one engine, in the current folder.

The argument names the engine. Standard input has the blocks as a JSON list of objects with `language`
and `text`. Standard output gets a JSON list with the columns and rows of each block's last statement.
"""

import json
import sys
from uuid import UUID


def text(value):
    """Returns a value as JSON has it: bytes as hexadecimal digits, ids without hyphens."""
    if isinstance(value, str) and len(value) == 36 and value.count("-") == 4:
        value = UUID(value)
    if isinstance(value, UUID):
        return value.hex
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).hex()
    return str(value)


def result(columns, rows):
    return {"columns": list(columns), "rows": [[text(value) for value in row] for row in rows]}


def duckdb(blocks):
    import duckdb

    connection = duckdb.connect()
    for block in blocks:
        for statement in connection.extract_statements(block["text"]):
            connection.execute(statement)
        columns = [column[0] for column in connection.description or []]
        yield result(columns, connection.fetchall() if columns else [])


def datafusion(blocks):
    names = {}
    for block in blocks:
        if block["language"] == "python":
            exec(compile(block["text"], "docs/engines.md", "exec"), names)
            yield result([], [])
            continue
        table = names["ctx"].sql(block["text"].rstrip().removesuffix(";")).to_arrow_table()
        yield result(table.column_names, zip(*(column.to_pylist() for column in table.columns)))


def chdb(blocks):
    from chdb.session import Session

    session = Session()
    for block in blocks:
        answer = {"meta": [], "data": []}
        for statement in block["text"].split(";\n"):
            if statement.strip():
                output = session.query(statement, "JSONCompact").bytes()
                answer = json.loads(output) if output.strip() else answer
        yield result([column["name"] for column in answer["meta"]], answer["data"])


engines = {"duckdb": duckdb, "datafusion": datafusion, "chdb": chdb}
json.dump(list(engines[sys.argv[1]](json.load(sys.stdin))), sys.stdout)
