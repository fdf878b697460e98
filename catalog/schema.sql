-- The catalog: one DuckDB file, written once by `python -m catalog build`, opened read-only ever after.
-- A cell that is NULL is not known. GB is 1e9 bytes. A fact is kept whole, as JSON; what people ask for stands beside it as columns.

CREATE TABLE meta (key VARCHAR PRIMARY KEY, value VARCHAR NOT NULL);
COMMENT ON TABLE meta IS 'version: hash of all content; schema: number of this layout';
COMMENT ON COLUMN meta.key IS 'what is stated';
COMMENT ON COLUMN meta.value IS 'its value';

CREATE TABLE models (
  id VARCHAR PRIMARY KEY,
  position INTEGER NOT NULL UNIQUE,
  record JSON NOT NULL,
  name VARCHAR GENERATED ALWAYS AS (record->>'name'),
  family VARCHAR GENERATED ALWAYS AS (record->>'family'),
  developer VARCHAR GENERATED ALWAYS AS (record->>'developer'),
  params_total BIGINT GENERATED ALWAYS AS (CAST(record->>'params_total' AS BIGINT)),
  params_active BIGINT GENERATED ALWAYS AS (CAST(record->>'params_active' AS BIGINT)),
  context_limit BIGINT GENERATED ALWAYS AS (CAST(record->>'context_limit' AS BIGINT)),
  license VARCHAR GENERATED ALWAYS AS (record->>'license'),
  role VARCHAR GENERATED ALWAYS AS (record->>'role')
);
COMMENT ON TABLE models IS 'models, one line each';
COMMENT ON COLUMN models.id IS 'model id';
COMMENT ON COLUMN models.position IS 'order in the data';
COMMENT ON COLUMN models.record IS 'the whole record; a field left out is not known';
COMMENT ON COLUMN models.name IS 'as its maker writes it';
COMMENT ON COLUMN models.family IS 'models that share a line';
COMMENT ON COLUMN models.developer IS 'who trained it';
COMMENT ON COLUMN models.params_total IS 'parameters in all';
COMMENT ON COLUMN models.params_active IS 'parameters one token is multiplied with';
COMMENT ON COLUMN models.context_limit IS 'tokens it was built for; NULL: not published';
COMMENT ON COLUMN models.license IS 'as its maker names it';
COMMENT ON COLUMN models.role IS 'catalog, or reference: only its scores are used';

CREATE TABLE quants (
  id VARCHAR PRIMARY KEY,
  position INTEGER NOT NULL UNIQUE,
  record JSON NOT NULL,
  family VARCHAR GENERATED ALWAYS AS (record->>'family'),
  bits_per_weight DOUBLE GENERATED ALWAYS AS (CAST(record->>'bits_per_weight' AS DOUBLE)),
  self_made BOOLEAN GENERATED ALWAYS AS (CAST(coalesce(record->>'self_made', 'false') AS BOOLEAN))
);
COMMENT ON TABLE quants IS 'weight formats, one line each';
COMMENT ON COLUMN quants.id IS 'quant id';
COMMENT ON COLUMN quants.position IS 'order in the data';
COMMENT ON COLUMN quants.record IS 'the whole record; a field left out is not known';
COMMENT ON COLUMN quants.family IS 'formats that are loaded alike';
COMMENT ON COLUMN quants.bits_per_weight IS 'of the bulk of the weights';
COMMENT ON COLUMN quants.self_made IS 'anyone can make it with the engines own tool';

CREATE TABLE engines (
  id VARCHAR PRIMARY KEY,
  position INTEGER NOT NULL UNIQUE,
  record JSON NOT NULL,
  name VARCHAR GENERATED ALWAYS AS (record->>'name'),
  family VARCHAR GENERATED ALWAYS AS (record->>'family'),
  multi_unit VARCHAR GENERATED ALWAYS AS (record->>'multi_unit'),
  url VARCHAR GENERATED ALWAYS AS (record->>'url')
);
COMMENT ON TABLE engines IS 'inference engines, one line each';
COMMENT ON COLUMN engines.id IS 'engine id';
COMMENT ON COLUMN engines.position IS 'order in the data';
COMMENT ON COLUMN engines.record IS 'the whole record; a field left out is not known';
COMMENT ON COLUMN engines.name IS 'as its makers write it';
COMMENT ON COLUMN engines.family IS 'engines that share kernels';
COMMENT ON COLUMN engines.multi_unit IS 'tensor or pipeline over several units; NULL: one unit only';
COMMENT ON COLUMN engines.url IS 'home';

CREATE TABLE hardware (
  id VARCHAR PRIMARY KEY,
  position INTEGER NOT NULL UNIQUE,
  record JSON NOT NULL,
  name VARCHAR GENERATED ALWAYS AS (record->>'name'),
  vendor VARCHAR GENERATED ALWAYS AS (record->>'vendor'),
  memory_gb DOUBLE GENERATED ALWAYS AS (CAST(record->>'memory_gb' AS DOUBLE)),
  bandwidth_gb_s DOUBLE GENERATED ALWAYS AS (CAST(record->>'bandwidth_gb_s' AS DOUBLE)),
  price_usd DOUBLE GENERATED ALWAYS AS (CAST(record->>'price_usd' AS DOUBLE))
);
COMMENT ON TABLE hardware IS 'machines and accelerators, one line each';
COMMENT ON COLUMN hardware.id IS 'hardware id';
COMMENT ON COLUMN hardware.position IS 'order in the data';
COMMENT ON COLUMN hardware.record IS 'the whole record; a field left out is not known';
COMMENT ON COLUMN hardware.name IS 'as on the label';
COMMENT ON COLUMN hardware.vendor IS 'nvidia, amd, apple, intel or cpu';
COMMENT ON COLUMN hardware.memory_gb IS 'GB of a unit, as on the label';
COMMENT ON COLUMN hardware.bandwidth_gb_s IS 'GB/s of memory, as specified';
COMMENT ON COLUMN hardware.price_usd IS 'US dollars; NULL: not known';

CREATE TABLE sources (
  id VARCHAR PRIMARY KEY,
  position INTEGER NOT NULL UNIQUE,
  record JSON NOT NULL,
  name VARCHAR GENERATED ALWAYS AS (record->>'name'),
  url VARCHAR GENERATED ALWAYS AS (record->>'url'),
  evidence VARCHAR GENERATED ALWAYS AS (record->>'evidence'),
  date VARCHAR GENERATED ALWAYS AS (record->>'date')
);
COMMENT ON TABLE sources IS 'who published measurements';
COMMENT ON COLUMN sources.id IS 'source id';
COMMENT ON COLUMN sources.position IS 'order in the data';
COMMENT ON COLUMN sources.record IS 'the whole record; a field left out is not known';
COMMENT ON COLUMN sources.name IS 'as it calls itself';
COMMENT ON COLUMN sources.url IS 'where it is';
COMMENT ON COLUMN sources.evidence IS 'official, maintainer, community or own';
COMMENT ON COLUMN sources.date IS 'of publication';

CREATE TABLE publishers (
  id VARCHAR PRIMARY KEY,
  position INTEGER NOT NULL UNIQUE,
  record JSON NOT NULL,
  evidence VARCHAR GENERATED ALWAYS AS (record->>'evidence')
);
COMMENT ON TABLE publishers IS 'who stands behind the addresses that models, quants and machines are taken from';
COMMENT ON COLUMN publishers.id IS 'address without its scheme; the longest that a source starts with counts';
COMMENT ON COLUMN publishers.position IS 'order in the data';
COMMENT ON COLUMN publishers.record IS 'the whole record; a field left out is not known';
COMMENT ON COLUMN publishers.evidence IS 'official, maintainer, community or own';

CREATE TABLE flags (
  id VARCHAR PRIMARY KEY,
  position INTEGER NOT NULL UNIQUE,
  record JSON NOT NULL,
  meaning VARCHAR GENERATED ALWAYS AS (record->>'meaning')
);
COMMENT ON TABLE flags IS 'what can be off about a measurement';
COMMENT ON COLUMN flags.id IS 'flag';
COMMENT ON COLUMN flags.position IS 'order in the data';
COMMENT ON COLUMN flags.record IS 'the whole record; a field left out is not known';
COMMENT ON COLUMN flags.meaning IS 'in a sentence';

CREATE TABLE benchmarks (
  id VARCHAR PRIMARY KEY,
  position INTEGER NOT NULL UNIQUE,
  record JSON NOT NULL,
  scale VARCHAR GENERATED ALWAYS AS (record->>'scale')
);
COMMENT ON TABLE benchmarks IS 'benchmarks whose scores are used';
COMMENT ON COLUMN benchmarks.id IS 'benchmark id';
COMMENT ON COLUMN benchmarks.position IS 'order in the data';
COMMENT ON COLUMN benchmarks.record IS 'the whole record; a field left out is not known';
COMMENT ON COLUMN benchmarks.scale IS 'percent, elo or index';

CREATE TABLE quality_scores (
  position INTEGER PRIMARY KEY,
  model VARCHAR NOT NULL REFERENCES models (id),
  benchmark VARCHAR NOT NULL REFERENCES benchmarks (id),
  record JSON NOT NULL,
  score DOUBLE GENERATED ALWAYS AS (CAST(record->>'score' AS DOUBLE)),
  setting VARCHAR GENERATED ALWAYS AS (record->>'setting'),
  reporter VARCHAR GENERATED ALWAYS AS (record->>'reporter'),
  url VARCHAR GENERATED ALWAYS AS (record->>'url')
);
COMMENT ON TABLE quality_scores IS 'published benchmark scores';
COMMENT ON COLUMN quality_scores.position IS 'order in the data';
COMMENT ON COLUMN quality_scores.record IS 'the whole record; a field left out is not known';
COMMENT ON COLUMN quality_scores.model IS 'model id';
COMMENT ON COLUMN quality_scores.benchmark IS 'benchmark id';
COMMENT ON COLUMN quality_scores.score IS 'as published';
COMMENT ON COLUMN quality_scores.setting IS 'under what it was taken';
COMMENT ON COLUMN quality_scores.reporter IS 'self, other or independent';
COMMENT ON COLUMN quality_scores.url IS 'where it was published';

CREATE TABLE quant_losses (
  position INTEGER PRIMARY KEY,
  model VARCHAR NOT NULL REFERENCES models (id),
  quant VARCHAR NOT NULL REFERENCES quants (id),
  record JSON NOT NULL,
  metric VARCHAR GENERATED ALWAYS AS (record->>'metric'),
  loss DOUBLE GENERATED ALWAYS AS (CAST(record->>'value' AS DOUBLE)),
  setting VARCHAR GENERATED ALWAYS AS (record->>'setting'),
  url VARCHAR GENERATED ALWAYS AS (record->>'url')
);
COMMENT ON TABLE quant_losses IS 'published losses of quants against what they were made from';
COMMENT ON COLUMN quant_losses.position IS 'order in the data';
COMMENT ON COLUMN quant_losses.record IS 'the whole record; a field left out is not known';
COMMENT ON COLUMN quant_losses.model IS 'model id';
COMMENT ON COLUMN quant_losses.quant IS 'quant id';
COMMENT ON COLUMN quant_losses.metric IS 'what was measured';
COMMENT ON COLUMN quant_losses.loss IS 'as published';
COMMENT ON COLUMN quant_losses.setting IS 'under what it was taken';
COMMENT ON COLUMN quant_losses.url IS 'where it was published';

CREATE TABLE artifacts (
  position INTEGER PRIMARY KEY,
  model VARCHAR NOT NULL REFERENCES models (id),
  quant VARCHAR NOT NULL REFERENCES quants (id),
  record JSON NOT NULL,
  file_bytes BIGINT GENERATED ALWAYS AS (CAST(record->>'file_bytes' AS BIGINT)),
  url VARCHAR GENERATED ALWAYS AS (record->>'url')
);
COMMENT ON TABLE artifacts IS 'published files of a model in a quant';
COMMENT ON COLUMN artifacts.position IS 'order in the data';
COMMENT ON COLUMN artifacts.record IS 'the whole record; a field left out is not known';
COMMENT ON COLUMN artifacts.model IS 'model id';
COMMENT ON COLUMN artifacts.quant IS 'quant id';
COMMENT ON COLUMN artifacts.file_bytes IS 'size as printed; NULL: not printed';
COMMENT ON COLUMN artifacts.url IS 'where it is';

CREATE TABLE measurements (
  id VARCHAR PRIMARY KEY,
  source VARCHAR NOT NULL REFERENCES sources (id),
  model VARCHAR NOT NULL REFERENCES models (id),
  quant VARCHAR NOT NULL REFERENCES quants (id),
  engine VARCHAR NOT NULL REFERENCES engines (id),
  engine_version VARCHAR,
  hardware VARCHAR NOT NULL REFERENCES hardware (id),
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
  checkpoint VARCHAR,
  kernels VARCHAR CHECK (kernels IN ('weight-only')),
  hw_variant VARCHAR,
  mem_used_gb DOUBLE,
  note VARCHAR
);
COMMENT ON TABLE measurements IS 'measured speeds, digit for digit as published';
COMMENT ON COLUMN measurements.id IS 'names the row in every answer';
COMMENT ON COLUMN measurements.source IS 'who published it';
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
COMMENT ON COLUMN measurements.flags IS 'what is off about the row (flags)';
COMMENT ON COLUMN measurements.evidence IS 'official, maintainer, community or own';
COMMENT ON COLUMN measurements.tool IS 'what measured it';
COMMENT ON COLUMN measurements.date IS 'YYYY, YYYY-MM or YYYY-MM-DD';
COMMENT ON COLUMN measurements.url IS 'where it was published';
COMMENT ON COLUMN measurements.raw_model IS 'the model as the source names it';
COMMENT ON COLUMN measurements.raw_quant IS 'the quant as the source names it';
COMMENT ON COLUMN measurements.checkpoint IS 'repository of the weights, where the source names it';
COMMENT ON COLUMN measurements.kernels IS 'weight-only: 4 and 8 bits are multiplied in 16, as the source says';
COMMENT ON COLUMN measurements.hw_variant IS 'the machine as the source names it';
COMMENT ON COLUMN measurements.mem_used_gb IS 'memory in use as printed, GB';
COMMENT ON COLUMN measurements.note IS 'anything else the source says';

CREATE TABLE teachings (
  measurement VARCHAR NOT NULL REFERENCES measurements (id),
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
  spread DOUBLE NOT NULL CHECK (spread >= 0),
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
  model VARCHAR NOT NULL REFERENCES models (id),
  task VARCHAR NOT NULL CHECK (task IN ('general', 'coding', 'reasoning', 'math', 'agentic', 'vision')),
  score DOUBLE NOT NULL CHECK (score BETWEEN 0 AND 100),
  low DOUBLE NOT NULL,
  high DOUBLE NOT NULL,
  CHECK (low <= score AND score <= high),
  PRIMARY KEY (model, task)
);
COMMENT ON TABLE quality_index IS 'quality index of each scored model at each task: expected mean percent over the panel of the task';
COMMENT ON COLUMN quality_index.model IS 'model id';
COMMENT ON COLUMN quality_index.task IS 'general, coding, reasoning, math, agentic or vision';
COMMENT ON COLUMN quality_index.score IS 'percent, 0-100';
COMMENT ON COLUMN quality_index.low IS 'of the 80 % interval';
COMMENT ON COLUMN quality_index.high IS 'of the 80 % interval';

CREATE TABLE quant_penalty (
  quant VARCHAR PRIMARY KEY REFERENCES quants (id),
  log_points DOUBLE NOT NULL,
  sd DOUBLE NOT NULL CHECK (sd >= 0),
  measured BOOLEAN NOT NULL,
  size_slope DOUBLE NOT NULL
);
COMMENT ON TABLE quant_penalty IS 'percent of its score that a quant costs a model of 8 billion parameters';
COMMENT ON COLUMN quant_penalty.quant IS 'quant id';
COMMENT ON COLUMN quant_penalty.log_points IS 'logarithm of the points';
COMMENT ON COLUMN quant_penalty.sd IS 'its posterior standard deviation';
COMMENT ON COLUMN quant_penalty.measured IS 'whether its own losses were measured, not only those of quants of like bits';
COMMENT ON COLUMN quant_penalty.size_slope IS 'change of log points per log of the parameter count';

CREATE VIEW measured_configs AS
  SELECT model, quant, engine, hardware, units, speculation, count(*) AS measurements, count(DISTINCT source) AS sources,
    min(decode_tok_s) AS decode_min, median(decode_tok_s) AS decode_median, max(decode_tok_s) AS decode_max
  FROM measurements WHERE decode_tok_s IS NOT NULL GROUP BY ALL ORDER BY ALL;
CREATE VIEW comparable AS
  SELECT 'decode' AS quantity, model, quant, hardware, units, speculation, 0 AS isl, engine, source, id, decode_tok_s AS tok_s
  FROM measurements
  WHERE decode_tok_s IS NOT NULL AND coalesce(concurrency, 1) = 1 AND coalesce(decode_kv_tokens, 0) <= 8192 AND len(flags) = 0
  UNION ALL
  SELECT 'prefill', model, quant, hardware, units, speculation, isl, engine, source, id, prefill_tok_s
  FROM measurements
  WHERE prefill_tok_s IS NOT NULL AND isl >= 128 AND coalesce(concurrency, 1) = 1 AND coalesce(context_depth, 0) = 0
    AND len(flags) = 0;
CREATE VIEW conflicts AS
  WITH said AS (
    SELECT quantity, model, quant, hardware, units, speculation, isl, engine, source, median(tok_s) AS tok_s,
      min(tok_s) AS slowest, max(tok_s) AS fastest
    FROM comparable GROUP BY ALL
  ), by_engine AS (
    SELECT quantity, model, quant, hardware, units, speculation, isl, engine, max(tok_s) / min(tok_s) AS ratio
    FROM said GROUP BY ALL
  ), within AS (
    SELECT quantity, model, quant, hardware, units, speculation, isl, max(ratio) AS ratio_on_one_engine
    FROM by_engine GROUP BY ALL
  )
  SELECT quantity, model, quant, hardware, units, said.speculation, isl, count(DISTINCT source) AS sources,
    count(DISTINCT engine) AS engines, min(slowest) AS lowest, max(fastest) AS highest, max(tok_s) / min(tok_s) AS ratio,
    any_value(ratio_on_one_engine) AS ratio_on_one_engine
  FROM said JOIN within USING (quantity, model, quant, hardware, units, isl)
  WHERE said.speculation IS NOT DISTINCT FROM within.speculation
  GROUP BY ALL HAVING count(DISTINCT source) > 1 AND ratio > 1.1 ORDER BY ratio DESC;
CREATE VIEW conflicting_rows AS
  SELECT c.quantity, x.model, x.quant, x.hardware, x.units, x.speculation, x.isl, c.ratio, x.tok_s, m.decode_kv_tokens,
    m.engine, m.engine_version, m.evidence, m.date, m.source, round(t.weight, 2) AS weight,
    round(100 * t.weight / nullif(sum(t.weight) OVER (PARTITION BY
      x.quantity, x.model, x.quant, x.hardware, x.units, x.speculation, x.isl, x.engine), 0)) AS percent_of_say,
    concat_ws(', ', m.evidence, coalesce(m.date, 'no date'), coalesce(m.engine || ' ' || m.engine_version, m.engine || ', version not stated'), t.reason)
      AS reason, x.id, m.url
  FROM comparable x JOIN conflicts c ON c.quantity = x.quantity AND c.model = x.model AND c.quant = x.quant
    AND c.hardware = x.hardware AND c.units = x.units AND c.isl = x.isl AND c.speculation IS NOT DISTINCT FROM x.speculation
    JOIN measurements m ON m.id = x.id JOIN teachings t ON t.measurement = x.id AND t.quantity = x.quantity
  ORDER BY c.ratio DESC, x.quantity, x.model, x.quant, x.hardware, x.units, x.speculation, x.isl, t.weight DESC, m.date DESC, x.id;
CREATE VIEW coverage AS
  SELECT hardware, engine, quant, count(*) AS measurements, count(DISTINCT model) AS models, count(DISTINCT source) AS sources
  FROM measurements GROUP BY ALL ORDER BY measurements DESC, hardware, engine, quant;

COMMENT ON VIEW measured_configs IS 'every config that somebody measured';
COMMENT ON COLUMN measured_configs.model IS 'model id';
COMMENT ON COLUMN measured_configs.quant IS 'quant id';
COMMENT ON COLUMN measured_configs.engine IS 'engine id';
COMMENT ON COLUMN measured_configs.hardware IS 'hardware id';
COMMENT ON COLUMN measured_configs.units IS 'how many of it';
COMMENT ON COLUMN measured_configs.speculation IS 'none, a method; NULL: not known';
COMMENT ON COLUMN measured_configs.measurements IS 'rows';
COMMENT ON COLUMN measured_configs.sources IS 'sources among them';
COMMENT ON COLUMN measured_configs.decode_min IS 'slowest decode, tok/s of one stream';
COMMENT ON COLUMN measured_configs.decode_median IS 'middle';
COMMENT ON COLUMN measured_configs.decode_max IS 'fastest';
COMMENT ON VIEW comparable IS 'unflagged figures that may be set side by side: one stream, decode below 8,193 cached tokens, prefill at one prompt length';
COMMENT ON COLUMN comparable.quantity IS 'decode or prefill';
COMMENT ON COLUMN comparable.model IS 'model id';
COMMENT ON COLUMN comparable.quant IS 'quant id';
COMMENT ON COLUMN comparable.hardware IS 'hardware id';
COMMENT ON COLUMN comparable.units IS 'how many of it';
COMMENT ON COLUMN comparable.speculation IS 'none, a method; NULL: not known';
COMMENT ON COLUMN comparable.isl IS 'prompt length of a prefill; 0 for decode';
COMMENT ON COLUMN comparable.engine IS 'engine id';
COMMENT ON COLUMN comparable.source IS 'source id';
COMMENT ON COLUMN comparable.id IS 'measurement id';
COMMENT ON COLUMN comparable.tok_s IS 'tokens per second';
COMMENT ON VIEW conflicts IS 'where the medians of sources differ by more than a tenth';
COMMENT ON COLUMN conflicts.quantity IS 'decode or prefill';
COMMENT ON COLUMN conflicts.model IS 'model id';
COMMENT ON COLUMN conflicts.quant IS 'quant id';
COMMENT ON COLUMN conflicts.hardware IS 'hardware id';
COMMENT ON COLUMN conflicts.units IS 'how many of it';
COMMENT ON COLUMN conflicts.speculation IS 'none, a method; NULL: not known';
COMMENT ON COLUMN conflicts.isl IS 'prompt length of a prefill; 0 for decode';
COMMENT ON COLUMN conflicts.sources IS 'sources that speak';
COMMENT ON COLUMN conflicts.engines IS 'engines they used';
COMMENT ON COLUMN conflicts.lowest IS 'slowest row, tok/s';
COMMENT ON COLUMN conflicts.highest IS 'fastest row, tok/s';
COMMENT ON COLUMN conflicts.ratio IS 'highest median of a source over the lowest';
COMMENT ON COLUMN conflicts.ratio_on_one_engine IS 'the same among sources that used one engine';
COMMENT ON VIEW conflicting_rows IS 'the rows behind each conflict, and what each of them counts for';
COMMENT ON COLUMN conflicting_rows.quantity IS 'decode or prefill';
COMMENT ON COLUMN conflicting_rows.model IS 'model id';
COMMENT ON COLUMN conflicting_rows.quant IS 'quant id';
COMMENT ON COLUMN conflicting_rows.hardware IS 'hardware id';
COMMENT ON COLUMN conflicting_rows.units IS 'how many of it';
COMMENT ON COLUMN conflicting_rows.speculation IS 'none, a method; NULL: not known';
COMMENT ON COLUMN conflicting_rows.isl IS 'prompt length of a prefill; 0 for decode';
COMMENT ON COLUMN conflicting_rows.ratio IS 'of the conflict';
COMMENT ON COLUMN conflicting_rows.tok_s IS 'what this row says';
COMMENT ON COLUMN conflicting_rows.decode_kv_tokens IS 'tokens cached at the first output token';
COMMENT ON COLUMN conflicting_rows.engine IS 'engine id';
COMMENT ON COLUMN conflicting_rows.engine_version IS 'as printed';
COMMENT ON COLUMN conflicting_rows.evidence IS 'official, maintainer, community or own';
COMMENT ON COLUMN conflicting_rows.date IS 'of the row';
COMMENT ON COLUMN conflicting_rows.source IS 'source id';
COMMENT ON COLUMN conflicting_rows.weight IS 'what it counts for in the calibration';
COMMENT ON COLUMN conflicting_rows.percent_of_say IS 'its share among the rows on this engine';
COMMENT ON COLUMN conflicting_rows.reason IS 'why: class, date, version, doubts';
COMMENT ON COLUMN conflicting_rows.id IS 'measurement id';
COMMENT ON COLUMN conflicting_rows.url IS 'where it was published';
COMMENT ON VIEW coverage IS 'what was measured where';
COMMENT ON COLUMN coverage.hardware IS 'hardware id';
COMMENT ON COLUMN coverage.engine IS 'engine id';
COMMENT ON COLUMN coverage.quant IS 'quant id';
COMMENT ON COLUMN coverage.measurements IS 'rows';
COMMENT ON COLUMN coverage.models IS 'models among them';
COMMENT ON COLUMN coverage.sources IS 'sources among them';
