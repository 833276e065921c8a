-- The SQL surface: what the extension shows. Created in every store, so that .tables, notebooks and
-- database browsers list it; the modules are in sqlext/. See docs/schema.md.
CREATE VIRTUAL TABLE IF NOT EXISTS spans USING tracekeep_spans;
CREATE VIRTUAL TABLE IF NOT EXISTS traces USING tracekeep_traces;
CREATE VIRTUAL TABLE IF NOT EXISTS span_events USING tracekeep_span_events;
CREATE VIRTUAL TABLE IF NOT EXISTS span_links USING tracekeep_span_links;
CREATE VIRTUAL TABLE IF NOT EXISTS span_attributes USING tracekeep_span_attributes;
CREATE VIRTUAL TABLE IF NOT EXISTS resources USING tracekeep_resources;
CREATE VIRTUAL TABLE IF NOT EXISTS scopes USING tracekeep_scopes;
CREATE VIRTUAL TABLE IF NOT EXISTS services USING tracekeep_services;
CREATE VIRTUAL TABLE IF NOT EXISTS operations USING tracekeep_operations;
CREATE VIRTUAL TABLE IF NOT EXISTS attribute_keys USING tracekeep_attribute_keys;
CREATE VIRTUAL TABLE IF NOT EXISTS segments USING tracekeep_segments;
CREATE VIRTUAL TABLE IF NOT EXISTS segment_columns USING tracekeep_segment_columns;
CREATE VIRTUAL TABLE IF NOT EXISTS span_metrics USING tracekeep_span_metrics;
CREATE VIRTUAL TABLE IF NOT EXISTS latency_histogram USING tracekeep_latency_histogram;
CREATE VIRTUAL TABLE IF NOT EXISTS service_graph USING tracekeep_service_graph;
CREATE VIRTUAL TABLE IF NOT EXISTS span_relations USING tracekeep_span_relations;
CREATE VIRTUAL TABLE IF NOT EXISTS sampling_decisions USING tracekeep_sampling_decisions;
CREATE VIRTUAL TABLE IF NOT EXISTS sampling_configs USING tracekeep_sampling_configs;
CREATE VIRTUAL TABLE IF NOT EXISTS sampling_policies USING tracekeep_sampling_policies;
CREATE VIRTUAL TABLE IF NOT EXISTS sampling_replay USING tracekeep_sampling_replay;
CREATE VIRTUAL TABLE IF NOT EXISTS kvonce_events USING tracekeep_kvonce_events;
CREATE VIRTUAL TABLE IF NOT EXISTS kvonce_issues USING tracekeep_kvonce_issues;
CREATE VIRTUAL TABLE IF NOT EXISTS quality_issues USING tracekeep_quality_issues;
CREATE VIRTUAL TABLE IF NOT EXISTS quality_rules USING tracekeep_quality_rules;
CREATE VIRTUAL TABLE IF NOT EXISTS instrumentation_score USING tracekeep_instrumentation_score;
CREATE VIRTUAL TABLE IF NOT EXISTS sampling_issues USING tracekeep_sampling_issues;
