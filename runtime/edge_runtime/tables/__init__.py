"""Tables in files of any size, read in blocks: text, Parquet and Arrow's own formats. It needs pyarrow."""
