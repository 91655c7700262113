"""Index of words with Spark's data frames: OUTPUT_DIRECTORY DOCUMENT…"""

import sys

from pyspark.sql import functions as f

from session import start

output, documents = sys.argv[1], sys.argv[2:]
spark = start("index")
lines = spark.read.text(documents).withColumn("document", f.substring_index(f.input_file_name(), "/", -1))
pairs = lines.select(f.explode(f.split("value", "[^A-Za-z]+")).alias("word"), "document").where("word != ''").distinct()
index = pairs.groupBy("word").agg(f.sort_array(f.collect_list("document")).alias("documents")).orderBy("word")
index.select(
    f.concat_ws(" ", "word", f.size("documents"), f.concat_ws(",", "documents"))
).write.text(output)
spark.stop()
