"""Word count with Spark's data frames: TEXT OUTPUT_DIRECTORY."""

import sys

from pyspark.sql import functions as f

from session import start

text, output = sys.argv[1:]
spark = start("wordcount")
words = spark.read.text(text).select(f.explode(f.split("value", "[^A-Za-z]+")).alias("word")).where("word != ''")
counts = words.groupBy("word").count().orderBy("word")
counts.select(f.concat_ws(" ", "word", "count")).write.text(output)
spark.stop()
