select * from focus_charges('raw')
