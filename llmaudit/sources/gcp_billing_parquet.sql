select * from google_charges('raw')
