"""Sort of lines with Polars: LINES OUTPUT_DIRECTORY."""

import sys
from pathlib import Path

import polars as pl

text, output = sys.argv[1], Path(sys.argv[2])
output.mkdir(exist_ok=True)
lines = pl.scan_csv(text, has_header=False, separator="\x01", quote_char=None, new_columns=["line"])
lines.sort("line").sink_csv(
    output / "lines", include_header=False, separator="\x01", quote_style="never", engine="streaming"
)
