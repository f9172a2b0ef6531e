select * from litellm_spend_rows('raw')
