INSERT INTO tk_automation_report
SELECT :id, text_at(:text, '$.tool'), text_at(:text, '$.status'), text_at(:text, '$.reason'),
       text_at(:text, '$.mode'), integer_at(:text, '$.prNumber'), text_at(:text, '$.generatedAt'),
       text_at(:text, '$.run.workflow'), text_at(:text, '$.run.event'),
       name_at(:text, '$.run.runId'), integer_at(:text, '$.run.attempt'),
       text_at(:text, '$.run.url'), text_at(:text, '$.run.repository'),
       text_at(:text, '$.run.ref'), text_at(:text, '$.run.sha'), json_at(:text, '$.metrics'),
       json_at(:text, '$.data');
UPDATE tk_document SET run_id = name_at(:text, '$.run.runId')
WHERE id = :id AND name_at(:text, '$.run.runId') IS NOT NULL;
