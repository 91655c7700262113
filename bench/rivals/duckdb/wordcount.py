"""Word count with DuckDB: TEXT OUTPUT_DIRECTORY."""

import sys
from pathlib import Path

import duckdb

text, output = sys.argv[1], Path(sys.argv[2])
output.mkdir(exist_ok=True)
database = duckdb.connect(config={"threads": 2, "preserve_insertion_order": False})
database.execute(
    f"""
    COPY (
        SELECT word, count(*)
        FROM (
            SELECT unnest(regexp_extract_all(line, '[A-Za-z]+')) AS word
            FROM read_csv('{text}', columns = {{'line': 'VARCHAR'}}, delim = '\x01', quote = '', escape = '',
                          header = false, auto_detect = false)
        )
        GROUP BY word
        ORDER BY word
    ) TO '{output / "counts"}' (FORMAT csv, HEADER false, DELIMITER ' ')
    """
)
