select * from aws_charges('raw')
