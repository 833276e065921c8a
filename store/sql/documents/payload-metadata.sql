INSERT INTO tk_payload_metadata
SELECT :id, text_at(:text, '$.sourceType'), text_at(:text, '$.sourceDetail'),
       text_at(:text, '$.sha256'), integer_at(:text, '$.sizeBytes');
