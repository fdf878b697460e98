-- The catalog: one DuckDB file, written once by `python -m catalog build`, opened read-only ever after.
-- A cell that is NULL is not known. GB is 1e9 bytes. JSON columns hold the nested parts of a record as the data states them.

CREATE TABLE meta (key VARCHAR PRIMARY KEY, value VARCHAR NOT NULL);
COMMENT ON TABLE meta IS 'version: hash of all content; schema: number of this layout';
COMMENT ON COLUMN meta.key IS 'what is stated';
COMMENT ON COLUMN meta.value IS 'its value';

CREATE TABLE records (
  kind VARCHAR NOT NULL,
  position INTEGER NOT NULL,
  id VARCHAR,
  record JSON NOT NULL,
  PRIMARY KEY (kind, position)
);
COMMENT ON TABLE records IS 'every fact, whole, as its record states it; the views below show them as columns';
COMMENT ON COLUMN records.kind IS 'models, quants, engines, hardware, sources, flags, benchmarks, quality_scores, quant_losses, artifacts';
COMMENT ON COLUMN records.position IS 'order within its kind';
COMMENT ON COLUMN records.id IS 'the slug by which others refer to it; NULL for rows nobody refers to';
COMMENT ON COLUMN records.record IS 'the record; a field left out is not known';

CREATE TABLE measurements (
  id VARCHAR PRIMARY KEY,
  source VARCHAR NOT NULL,
  model VARCHAR NOT NULL,
  quant VARCHAR NOT NULL,
  engine VARCHAR NOT NULL,
  engine_version VARCHAR,
  hardware VARCHAR NOT NULL,
  units INTEGER NOT NULL CHECK (units >= 1),
  speculation VARCHAR,
  spec_basis VARCHAR NOT NULL CHECK (spec_basis IN ('stated', 'tool', 'assumed', 'unknown')),
  content VARCHAR CHECK (content IN ('code', 'math', 'prose', 'qa', 'structured', 'agentic', 'mixed')),
  concurrency INTEGER CHECK (concurrency >= 1),
  isl DOUBLE CHECK (isl >= 0),
  osl DOUBLE CHECK (osl >= 0),
  context_depth INTEGER CHECK (context_depth >= 0),
  decode_kv_tokens DOUBLE CHECK (decode_kv_tokens >= 0),
  kv_dtype VARCHAR,
  prefill_tok_s DOUBLE CHECK (prefill_tok_s > 0),
  decode_tok_s DOUBLE CHECK (decode_tok_s > 0),
  decode_total_tok_s DOUBLE CHECK (decode_total_tok_s > 0),
  ttft_ms DOUBLE CHECK (ttft_ms > 0),
  approx BOOLEAN NOT NULL,
  flags VARCHAR[] NOT NULL,
  evidence VARCHAR NOT NULL CHECK (evidence IN ('official', 'maintainer', 'community', 'own')),
  tool VARCHAR,
  date VARCHAR,
  url VARCHAR NOT NULL,
  raw_model VARCHAR,
  raw_quant VARCHAR,
  hw_variant VARCHAR,
  mem_used_gb DOUBLE,
  note VARCHAR
);
COMMENT ON TABLE measurements IS 'measured speeds, digit for digit as published';
COMMENT ON COLUMN measurements.id IS 'names the row in every answer';
COMMENT ON COLUMN measurements.source IS 'who published it (records of kind sources)';
COMMENT ON COLUMN measurements.model IS 'model id';
COMMENT ON COLUMN measurements.quant IS 'quant id';
COMMENT ON COLUMN measurements.engine IS 'engine id';
COMMENT ON COLUMN measurements.engine_version IS 'as printed';
COMMENT ON COLUMN measurements.hardware IS 'hardware id';
COMMENT ON COLUMN measurements.units IS 'how many of the hardware';
COMMENT ON COLUMN measurements.speculation IS 'none, a method, unspecified; NULL: not known';
COMMENT ON COLUMN measurements.spec_basis IS 'how speculation is known';
COMMENT ON COLUMN measurements.content IS 'what kind of text was generated, where drafts depend on it';
COMMENT ON COLUMN measurements.concurrency IS 'requests in flight';
COMMENT ON COLUMN measurements.isl IS 'input tokens of one request';
COMMENT ON COLUMN measurements.osl IS 'output tokens of one request';
COMMENT ON COLUMN measurements.context_depth IS 'tokens cached before the input is processed';
COMMENT ON COLUMN measurements.decode_kv_tokens IS 'tokens cached at the first output token';
COMMENT ON COLUMN measurements.kv_dtype IS 'KV cache type as the source names it';
COMMENT ON COLUMN measurements.prefill_tok_s IS 'prompt tokens/s, total over requests';
COMMENT ON COLUMN measurements.decode_tok_s IS 'output tokens/s of one stream';
COMMENT ON COLUMN measurements.decode_total_tok_s IS 'output tokens/s over all streams';
COMMENT ON COLUMN measurements.ttft_ms IS 'time to first token, ms';
COMMENT ON COLUMN measurements.approx IS 'the source prints ~ or a range';
COMMENT ON COLUMN measurements.flags IS 'what is off about the row (records of kind flags)';
COMMENT ON COLUMN measurements.evidence IS 'official, maintainer, community or own';
COMMENT ON COLUMN measurements.tool IS 'what measured it';
COMMENT ON COLUMN measurements.date IS 'YYYY, YYYY-MM or YYYY-MM-DD';
COMMENT ON COLUMN measurements.url IS 'where it was published';
COMMENT ON COLUMN measurements.raw_model IS 'the model as the source names it';
COMMENT ON COLUMN measurements.raw_quant IS 'the quant as the source names it';
COMMENT ON COLUMN measurements.hw_variant IS 'the machine as the source names it';
COMMENT ON COLUMN measurements.mem_used_gb IS 'memory in use as printed, GB';
COMMENT ON COLUMN measurements.note IS 'anything else the source says';

CREATE TABLE teachings (
  measurement VARCHAR NOT NULL,
  quantity VARCHAR NOT NULL CHECK (quantity IN ('prefill', 'decode')),
  weight DOUBLE NOT NULL CHECK (weight >= 0),
  reason VARCHAR NOT NULL,
  PRIMARY KEY (measurement, quantity)
);
COMMENT ON TABLE teachings IS 'what each measurement counts for in the calibration, and why no more';
COMMENT ON COLUMN teachings.measurement IS 'measurement id';
COMMENT ON COLUMN teachings.quantity IS 'prefill or decode';
COMMENT ON COLUMN teachings.weight IS '1: a clean row of an official source; 0: teaches nothing';
COMMENT ON COLUMN teachings.reason IS 'what lowers the weight: class, doubts, a flag, a row it repeats';

CREATE TABLE calibration_effects (
  quantity VARCHAR NOT NULL CHECK (quantity IN ('prefill', 'decode')),
  position INTEGER NOT NULL,
  effect VARCHAR NOT NULL,
  level VARCHAR NOT NULL,
  mean DOUBLE NOT NULL,
  sd DOUBLE,
  rows INTEGER NOT NULL,
  PRIMARY KEY (quantity, position)
);
COMMENT ON TABLE calibration_effects IS 'what was learnt: the logarithm of a factor on a time, by effect and level';
COMMENT ON COLUMN calibration_effects.quantity IS 'prefill of a request, or decode of a token';
COMMENT ON COLUMN calibration_effects.position IS 'order in the fit';
COMMENT ON COLUMN calibration_effects.effect IS 'the kind of thing that scales a time';
COMMENT ON COLUMN calibration_effects.level IS 'which engine, kernel, device, model or config';
COMMENT ON COLUMN calibration_effects.mean IS 'log factor: 0.1 is 10 % slower than physics and the other effects say';
COMMENT ON COLUMN calibration_effects.sd IS 'its posterior standard deviation; NULL for effects that are not remembered';
COMMENT ON COLUMN calibration_effects.rows IS 'how many measurements say so';

CREATE TABLE calibration_spreads (
  quantity VARCHAR NOT NULL,
  effect VARCHAR NOT NULL,
  spread DOUBLE NOT NULL,
  PRIMARY KEY (quantity, effect)
);
COMMENT ON TABLE calibration_spreads IS 'how much levels of an effect differ; of noise: the error of one clean row';
COMMENT ON COLUMN calibration_spreads.quantity IS 'prefill or decode';
COMMENT ON COLUMN calibration_spreads.effect IS 'the effect, or noise';
COMMENT ON COLUMN calibration_spreads.spread IS 'standard deviation of the log factor';

CREATE TABLE calibration_covariance (
  quantity VARCHAR NOT NULL,
  position INTEGER NOT NULL,
  covariances FLOAT[] NOT NULL,
  PRIMARY KEY (quantity, position)
);
COMMENT ON TABLE calibration_covariance IS 'lower triangle of the posterior covariance of the lasting effects, a row each';
COMMENT ON COLUMN calibration_covariance.quantity IS 'prefill or decode';
COMMENT ON COLUMN calibration_covariance.position IS 'rank among the lasting effects';
COMMENT ON COLUMN calibration_covariance.covariances IS 'with the lasting effects up to and including this one';

CREATE TABLE quality_index (
  model VARCHAR NOT NULL,
  task VARCHAR NOT NULL,
  score DOUBLE NOT NULL,
  low DOUBLE NOT NULL,
  high DOUBLE NOT NULL,
  PRIMARY KEY (model, task)
);
COMMENT ON TABLE quality_index IS 'quality index of each scored model at each task: expected mean percent over the panel of the task';
COMMENT ON COLUMN quality_index.model IS 'model id';
COMMENT ON COLUMN quality_index.task IS 'general, coding, reasoning, math, agentic or vision';
COMMENT ON COLUMN quality_index.score IS 'percent, 0-100';
COMMENT ON COLUMN quality_index.low IS 'of the 80 % interval';
COMMENT ON COLUMN quality_index.high IS 'of the 80 % interval';

CREATE TABLE quant_penalty (
  quant VARCHAR PRIMARY KEY,
  log_points DOUBLE NOT NULL,
  sd DOUBLE NOT NULL,
  measured BOOLEAN NOT NULL,
  size_slope DOUBLE NOT NULL
);
COMMENT ON TABLE quant_penalty IS 'percent of its score that a quant costs a model of 8 billion parameters';
COMMENT ON COLUMN quant_penalty.quant IS 'quant id';
COMMENT ON COLUMN quant_penalty.log_points IS 'logarithm of the points';
COMMENT ON COLUMN quant_penalty.sd IS 'its posterior standard deviation';
COMMENT ON COLUMN quant_penalty.measured IS 'whether its own losses were measured, not only those of quants of like bits';
COMMENT ON COLUMN quant_penalty.size_slope IS 'change of log points per log of the parameter count';

CREATE VIEW models AS
  SELECT id, record->>'name' AS name, record->>'family' AS family, record->>'developer' AS developer,
    CAST(record->>'params_total' AS BIGINT) AS params_total, CAST(record->>'params_active' AS BIGINT) AS params_active,
    CAST(record->>'context_limit' AS BIGINT) AS context_limit, record->>'license' AS license, record->>'role' AS role
  FROM records WHERE kind = 'models' ORDER BY position;
CREATE VIEW hardware AS
  SELECT id, record->>'name' AS name, record->>'vendor' AS vendor, CAST(record->>'memory_gb' AS DOUBLE) AS memory_gb,
    CAST(record->>'bandwidth_gb_s' AS DOUBLE) AS bandwidth_gb_s, CAST(record->>'price_usd' AS DOUBLE) AS price_usd
  FROM records WHERE kind = 'hardware' ORDER BY position;
CREATE VIEW measured_configs AS
  SELECT model, quant, engine, hardware, units, speculation, count(*) AS measurements, count(DISTINCT source) AS sources,
    min(decode_tok_s) AS decode_min, median(decode_tok_s) AS decode_median, max(decode_tok_s) AS decode_max
  FROM measurements WHERE decode_tok_s IS NOT NULL GROUP BY ALL ORDER BY ALL;
CREATE VIEW conflicts AS
  SELECT model, quant, hardware, units, speculation, count(DISTINCT source) AS sources, min(decode_tok_s) AS decode_min,
    max(decode_tok_s) AS decode_max, max(decode_tok_s) / min(decode_tok_s) AS ratio
  FROM measurements
  WHERE decode_tok_s IS NOT NULL AND coalesce(concurrency, 1) = 1 AND coalesce(decode_kv_tokens, 0) <= 8192
  GROUP BY ALL HAVING count(DISTINCT source) > 1 AND ratio > 1.1 ORDER BY ratio DESC;
CREATE VIEW conflicting_rows AS
  SELECT m.model, m.quant, m.hardware, m.units, m.speculation, c.ratio, m.decode_tok_s, m.engine, m.engine_version,
    m.evidence, m.date, m.source, round(t.weight, 2) AS weight,
    round(100 * t.weight / nullif(sum(t.weight) OVER (PARTITION BY m.model, m.quant, m.hardware, m.units, m.speculation), 0))
      AS percent_of_say, t.reason, m.id, m.url
  FROM measurements m JOIN conflicts c USING (model, quant, hardware, units, speculation)
    JOIN teachings t ON t.measurement = m.id AND t.quantity = 'decode'
  WHERE m.decode_tok_s IS NOT NULL AND coalesce(m.concurrency, 1) = 1 AND coalesce(m.decode_kv_tokens, 0) <= 8192
  ORDER BY c.ratio DESC, m.model, m.quant, m.hardware, m.units, m.speculation, t.weight DESC, m.date DESC, m.id;
CREATE VIEW coverage AS
  SELECT hardware, engine, quant, count(*) AS measurements, count(DISTINCT model) AS models, count(DISTINCT source) AS sources
  FROM measurements GROUP BY ALL ORDER BY measurements DESC, hardware, engine, quant;
