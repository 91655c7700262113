"""Index of words with Polars' streaming engine: OUTPUT_DIRECTORY DOCUMENT…"""

import sys
from pathlib import Path

import polars as pl

output, documents = Path(sys.argv[1]), sys.argv[2:]
output.mkdir(exist_ok=True)


def words_of(document: str) -> pl.LazyFrame:
    """Each word of a document once."""
    lines = pl.scan_csv(document, has_header=False, separator="\x01", quote_char=None, new_columns=["line"])
    words = lines.select(pl.col("line").str.extract_all("[A-Za-z]+").alias("word")).explode("word").drop_nulls()
    return words.unique().with_columns(document=pl.lit(document))


pairs = pl.concat([words_of(document) for document in documents])
index = pairs.group_by("word").agg(pl.len(), pl.col("document").sort()).sort("word")
index = index.with_columns(pl.col("document").list.join(","))
index.sink_csv(output / "index", include_header=False, separator=" ", quote_style="never", engine="streaming")
