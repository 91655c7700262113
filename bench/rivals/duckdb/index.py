"""Index of words with DuckDB: OUTPUT_DIRECTORY DOCUMENT…"""

import sys
from pathlib import Path

import duckdb

output, documents = Path(sys.argv[1]), sys.argv[2:]
output.mkdir(exist_ok=True)
database = duckdb.connect(config={"threads": 2, "preserve_insertion_order": False})
database.execute(
    f"""
    COPY (
        SELECT word, count(*), string_agg(document, ',' ORDER BY document)
        FROM (
            SELECT DISTINCT unnest(regexp_extract_all(line, '[A-Za-z]+')) AS word, filename AS document
            FROM read_csv({documents}, columns = {{'line': 'VARCHAR'}}, delim = '\x01', quote = '', escape = '',
                          header = false, auto_detect = false, filename = true)
        )
        GROUP BY word
        ORDER BY word
    ) TO '{output / "index"}' (FORMAT csv, HEADER false, DELIMITER ' ', QUOTE '', ESCAPE '')
    """
)
