-- What an OpenAI bill's line item says: `<product> | <model> <modality>, <class>`, split at the last comma.
-- Unknown classes stay as they are worded. `sold_as` is what is left of the item before the comma.
create or replace macro openai_line_item(line_item) as
    list_transform(
        [
            {
                'item': regexp_replace(line_item, '^[^|,]*\|\s*', ''),
                'words': trim(replace(lower(regexp_extract(regexp_replace(line_item, '^[^|,]*\|\s*', ''), '(?:^|,)([^,]*)$', 1)), '_', ' '))
            }
        ],
        lambda i : list_transform(
            [
                {
                    'words': i.words,
                    'sold_as': case when contains(i.item, ',') then regexp_extract(i.item, '^(.*),[^,]*$', 1) end,
                    'modality': coalesce(
                        nullif(regexp_extract(i.words, '\b(text|audio|image)\b', 1), ''),
                        nullif(regexp_extract(i.item, '\s(text|audio|image),[^,]*$', 1), ''),
                        'text'
                    ),
                    'kind': trim(regexp_replace(regexp_replace(i.words, '\b(text|audio|image|tokens?)\b', '', 'g'), '\s+', ' ', 'g'))
                }
            ],
            lambda w : {
                'model': regexp_replace(w.sold_as, '\s(text|audio|image)$', ''),
                'is_tokens': regexp_full_match(w.kind, 'input|uncached input|input uncached|cached input|input cached|cached|cache reads?|input cache reads?|output')
                or regexp_full_match(w.kind, '(input )?cache writes?( 30m| 12h)?'),
                'token_class': case
                    when regexp_full_match(w.kind, 'input|uncached input|input uncached')
                    then case w.modality when 'text' then 'input' else concat('input_', w.modality) end
                    when regexp_full_match(w.kind, 'cached input|input cached|cached|cache reads?|input cache reads?')
                    then case w.modality when 'text' then 'cache_read' else concat('cache_', w.modality, '_read') end
                    when regexp_full_match(w.kind, '(input )?cache writes?( 30m)?')
                    then 'cache_write'
                    when regexp_full_match(w.kind, '(input )?cache writes? 12h')
                    then 'cache_write_long'
                    when w.kind = 'output'
                    then case w.modality when 'text' then 'output' else concat('output_', w.modality) end
                    else nullif(trim(regexp_replace(w.words, '[^a-z0-9]+', '_', 'g'), '_'), '')
                end
            }
        )[1]
    )[1];
