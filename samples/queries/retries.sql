-- Did trying again help? Every attempt to charge a card, by how it ended (no error_type: well).
-- An attempt after the first has a link to the one before.
SELECT
  [span.charge.attempt] AS attempt,
  error_type,
  count(*) AS attempts,
  sum(link_count) AS links
FROM spans
WHERE service = 'checkout' AND name = 'charge attempt'
GROUP BY attempt, error_type
ORDER BY attempt, error_type;
