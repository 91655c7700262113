"""Sort of lines with DuckDB: LINES OUTPUT_DIRECTORY."""

import sys
from pathlib import Path

import duckdb

text, output = sys.argv[1], Path(sys.argv[2])
output.mkdir(exist_ok=True)
database = duckdb.connect(config={"threads": 2, "preserve_insertion_order": True})
database.execute(
    f"""
    COPY (
        SELECT line
        FROM read_csv('{text}', columns = {{'line': 'VARCHAR'}}, delim = '\x01', quote = '', escape = '',
                      header = false, auto_detect = false)
        ORDER BY line
    ) TO '{output / "lines"}' (FORMAT csv, HEADER false, DELIMITER '\x01', QUOTE '', ESCAPE '')
    """
)
