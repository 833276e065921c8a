-- Effective sampling rate of each service, operation and hour
-- kept_percent: which share of all spans is stored, by the stored spans that say what they stand
-- for; estimated: how many there were; unknown_percent: stored spans that do not say, which are in
-- neither; sources: who says it.
-- Parameters: service: only this one; since, until: times as in --since of other commands.
SELECT format_time(hour_ns) AS hour, service, name, count(*) AS spans,
       round(100.0 * count(adjusted_count) / nullif(weighted_count(adjusted_count), 0), 4) AS kept_percent,
       round(weighted_count(adjusted_count)) AS estimated,
       round(100 * unknown_weight_share(adjusted_count), 2) AS unknown_percent,
       group_concat(DISTINCT adjusted_count_source) AS sources
FROM spans
WHERE (:service IS NULL OR service = :service)
  AND (:since IS NULL OR start_ns >= parse_time(:since))
  AND (:until IS NULL OR start_ns < parse_time(:until))
GROUP BY hour_ns, service, name
ORDER BY hour_ns, service, name;
