select * from helicone_rows('raw')
