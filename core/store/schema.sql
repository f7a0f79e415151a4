-- Index over <workspace>/runs and <workspace>/people. Deleting the file loses nothing.
-- A change here raises SCHEMA in connection.py: older files are then moved aside and rebuilt.
CREATE TABLE IF NOT EXISTS store (key VARCHAR PRIMARY KEY, value BIGINT NOT NULL);  -- schema, version

CREATE TABLE IF NOT EXISTS ingested (   -- which state of which run directory the rows come from
  run_id VARCHAR PRIMARY KEY,
  stamp VARCHAR NOT NULL,               -- changes whenever config.json or status.json does
  has_samples BOOLEAN NOT NULL
);
CREATE TABLE IF NOT EXISTS runs (
  run_id VARCHAR PRIMARY KEY,
  group_id VARCHAR NOT NULL,            -- equal for runs that differ in their seed alone
  state VARCHAR NOT NULL,
  method VARCHAR NOT NULL,              -- external:<name> = maps made elsewhere
  dataset VARCHAR NOT NULL,             -- the name people use
  data_root VARCHAR,
  reader VARCHAR,
  fingerprint VARCHAR,                  -- content of the data set as trained on
  setting VARCHAR NOT NULL,
  protocol VARCHAR NOT NULL,
  size INTEGER NOT NULL,
  epochs INTEGER,
  batch_size INTEGER,
  seed BIGINT NOT NULL,
  device VARCHAR,
  backbone VARCHAR,
  weights_source VARCHAR,
  weights_sha256 VARCHAR,
  pretrained BOOLEAN,
  created_at TIMESTAMPTZ NOT NULL,
  started_at TIMESTAMPTZ,
  finished_at TIMESTAMPTZ,
  seconds DOUBLE,                       -- whole run, wall clock
  train_seconds DOUBLE,
  images_per_second DOUBLE,             -- prediction, warm
  peak_memory_bytes BIGINT,
  parameters BIGINT,                    -- trained
  classes VARCHAR[] NOT NULL,
  error VARCHAR
);
CREATE TABLE IF NOT EXISTS configs (run_id VARCHAR, key VARCHAR, value VARCHAR);  -- value: JSON
CREATE TABLE IF NOT EXISTS datasets (
  fingerprint VARCHAR PRIMARY KEY, name VARCHAR, root VARCHAR, reader VARCHAR, samples BIGINT,
  classes VARCHAR[],
  source VARCHAR                        -- the oldest run of that fingerprint; its samples stand here
);
CREATE TABLE IF NOT EXISTS samples (
  fingerprint VARCHAR, key VARCHAR, class_name VARCHAR, split VARCHAR, label TINYINT,
  anomaly_type VARCHAR, specimen VARCHAR, masks VARCHAR[], has_mask BOOLEAN,
  width INTEGER, height INTEGER
);
CREATE TABLE IF NOT EXISTS metrics (
  run_id VARCHAR, class_name VARCHAR, metric VARCHAR, value DOUBLE, ci_low DOUBLE, ci_high DOUBLE,
  note VARCHAR,
  anomaly_type VARCHAR,                 -- '': the whole class
  convention VARCHAR,                   -- exact or ader; never mixed in one table
  bound_low DOUBLE, bound_high DOUBLE   -- the exact value surely lies between; null: it is exact
);
CREATE TABLE IF NOT EXISTS regions (    -- true regions of test images, at the run's size
  run_id VARCHAR, class_name VARCHAR, key VARCHAR, region INTEGER, area_px INTEGER,
  peak DOUBLE,                          -- highest map value
  rating DOUBLE,                        -- highest local maximum on or near it; null without one
  found DOUBLE, hit BOOLEAN,            -- share, any of it at or above the threshold of pixel F1-max
  recall DOUBLE[]                       -- share found at the rates of core.metrics.tables.RATES
);
CREATE TABLE IF NOT EXISTS curves (
  run_id VARCHAR, class_name VARCHAR, curve VARCHAR, position INTEGER, x DOUBLE, y DOUBLE,
  threshold DOUBLE
);
CREATE TABLE IF NOT EXISTS cases (
  run_id VARCHAR, row INTEGER, key VARCHAR, class_name VARCHAR, label TINYINT,
  anomaly_type VARCHAR, specimen VARCHAR, score DOUBLE, latency_ms DOUBLE,
  has_mask BOOLEAN,                     -- false: left out of pixel metrics
  area_px INTEGER, regions INTEGER,     -- truth at the run's size
  peak DOUBLE,                          -- highest map value
  aupimo DOUBLE,                        -- of an anomalous image with a mask
  peak_in_truth BOOLEAN                 -- whether the peak lies on a true region; null for normals
);
CREATE TABLE IF NOT EXISTS people (     -- every version of what people added, in the order written
  kind VARCHAR, position INTEGER,
  id VARCHAR,                           -- of the entry; its last version counts
  written_at TIMESTAMPTZ, author VARCHAR, removed BOOLEAN,
  fields VARCHAR                        -- the entry's own fields, JSON
);
