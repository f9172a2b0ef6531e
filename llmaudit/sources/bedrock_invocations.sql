select * from bedrock_calls('raw')
