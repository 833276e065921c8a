-- The 28-day gate: may the trace checks become required?
-- One row a criterion over the automation reports of the last 28 days, then the verdict. A failure is
-- a report with status error or blocked. An incident is the first failure of a tool in a scope (pull
-- request, else commit, else everything) until that tool's next `resolved` there.
-- Parameters: at: the instant the 28 days end, default: the newest report; tool: only this one.
WITH
reports AS (
  SELECT tool, status, generated_at AS at, julianday(generated_at) AS day,
         coalesce(nullif('pull/' || pr_number, 'pull/'),
                  CASE WHEN ref GLOB 'refs/pull/*/*' THEN substr(ref, 6, instr(substr(ref, 11), '/') + 4) END,
                  commit_sha, 'global') AS scope,
         status IN ('error', 'blocked') AS failed
  FROM automation_reports
  WHERE :tool IS NULL OR tool = :tool
),
span(until) AS (SELECT julianday(coalesce(:at, max(at))) FROM reports),
recent AS (SELECT * FROM reports, span WHERE day > until - 28 AND day <= until),
-- Reports of one tool and scope between two `resolved` belong to one episode.
episodes AS (
  SELECT *, sum(status = 'resolved') OVER (PARTITION BY tool, scope ORDER BY day, at ROWS UNBOUNDED PRECEDING)
            AS episode
  FROM recent
),
incidents AS (
  SELECT e.tool, e.scope, min(e.day) AS opened,
         (SELECT min(r.day) FROM episodes r
          WHERE r.tool IS e.tool AND r.scope = e.scope AND r.status = 'resolved' AND r.episode = e.episode + 1)
         AS closed
  FROM episodes e WHERE e.failed GROUP BY e.tool, e.scope, e.episode
),
-- Failures of one tool with no other report between them.
islands AS (
  SELECT tool, failed,
         sum(NOT failed) OVER (PARTITION BY tool ORDER BY day, at ROWS UNBOUNDED PRECEDING) AS island
  FROM recent
),
figures AS (
  SELECT (SELECT count(*) FROM recent) AS total,
         (SELECT round(100.0 * sum(failed) / count(*), 2) FROM recent) AS failure_percent,
         (SELECT round(avg((closed - opened) * 1440), 2) FROM incidents WHERE closed IS NOT NULL) AS mttr_minutes,
         (SELECT count(*) FROM incidents WHERE closed IS NULL) AS unresolved,
         (SELECT coalesce(max(failures), 0) FROM (SELECT sum(failed) AS failures FROM islands GROUP BY tool, island)) AS consecutive
),
criteria(number, criterion, expected, found, ok) AS (
  SELECT 1, 'reports', 'at least 20', total, total >= 20 FROM figures
  UNION ALL SELECT 2, 'failure rate, percent', 'at most 5', coalesce(failure_percent, 'no reports'), coalesce(failure_percent <= 5, 0) FROM figures
  UNION ALL SELECT 3, 'mean time to recovery, minutes', 'at most 120', coalesce(mttr_minutes, 'no incident resolved'), coalesce(mttr_minutes <= 120, 1) FROM figures
  UNION ALL SELECT 4, 'unresolved incidents', '0', unresolved, unresolved = 0 FROM figures
  UNION ALL SELECT 5, 'consecutive failures of one tool', 'at most 2', consecutive, consecutive <= 2 FROM figures
)
SELECT criterion, expected, found, CASE WHEN ok THEN 'yes' ELSE 'no' END AS met
FROM (
  SELECT * FROM criteria
  UNION ALL
  SELECT 6, 'verdict', 'go', CASE WHEN min(ok) THEN 'go' ELSE 'no go: ' || group_concat(criterion, '; ') FILTER (WHERE NOT ok) END, min(ok)
  FROM criteria
)
ORDER BY number;
