select * from langfuse_rows('raw')
