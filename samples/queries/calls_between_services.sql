-- Who calls whom, how often in vain, and how long do they wait? Network time is what the caller
-- waited longer than the called service worked.
SELECT
  client,
  server,
  connection_type,
  calls,
  failed,
  format_duration(client_p95_ns) AS waited_p95,
  format_duration(server_p95_ns) AS worked_p95
FROM service_graph('pairs')
ORDER BY calls DESC, client, server, connection_type;
