"""Sort of lines with Spark's data frames: LINES OUTPUT_DIRECTORY."""

import sys

from session import start

text, output = sys.argv[1:]
spark = start("sort")
spark.read.text(text).orderBy("value").write.text(output)
spark.stop()
