"""Word count with Polars' streaming engine: TEXT OUTPUT_DIRECTORY."""

import sys
from pathlib import Path

import polars as pl

text, output = sys.argv[1], Path(sys.argv[2])
output.mkdir(exist_ok=True)
lines = pl.scan_csv(text, has_header=False, separator="\x01", quote_char=None, new_columns=["line"])
words = lines.select(pl.col("line").str.extract_all("[A-Za-z]+").alias("word")).explode("word").drop_nulls()
counts = words.group_by("word").agg(pl.len()).sort("word")
counts.sink_csv(output / "counts", include_header=False, separator=" ", engine="streaming")
