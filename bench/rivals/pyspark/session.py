"""The Spark session of all programs here: two threads in one process, nothing on the network."""

from pyspark.sql import SparkSession


def start(name: str) -> SparkSession:
    builder = SparkSession.builder.master("local[2]").appName(name)
    settings = {
        "spark.driver.memory": "6g",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "8",
        "spark.sql.files.maxPartitionBytes": "64m",
    }
    for key, value in settings.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session
