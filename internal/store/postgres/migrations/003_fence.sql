-- +goose Up

-- A crate's accepted index lines.
CREATE TABLE index_files (
	key           text        COLLATE "C" PRIMARY KEY, -- the crate's name in lower case
	name          text        NOT NULL,
	size          bigint      NOT NULL CHECK (size >= 0),
	etag          text        NOT NULL,
	last_modified text        NOT NULL,
	checked_at    timestamptz,
	changed_at    timestamptz,
	first_seen_at timestamptz,
	imported_at   timestamptz,
	gone_since    timestamptz,
	bad           integer     NOT NULL CHECK (bad >= 0),
	revision      integer     NOT NULL CHECK (revision > 0),
	lines         bytea       NOT NULL -- gzip
);

-- What is packed is not packed again.
ALTER TABLE index_files ALTER COLUMN lines SET STORAGE EXTERNAL;

CREATE TABLE line_records (
	id            bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	key           text        COLLATE "C" NOT NULL REFERENCES index_files (key),
	version       text        COLLATE "C" NOT NULL,
	checksum      bytea       NOT NULL CHECK (length(checksum) = 32),
	published_at  timestamptz,
	first_seen_at timestamptz,
	dated         boolean     NOT NULL,
	yanked        boolean     NOT NULL,
	yanked_at     timestamptz,
	honoured_at   timestamptz,
	wave          integer     NOT NULL CHECK (wave >= 0),
	trouble       text        NOT NULL CHECK (trouble IN ('', 'changed', 'other-checksum', 'removed')),
	trouble_at    timestamptz,
	offered       bytea,
	UNIQUE (key, version)
);

CREATE TABLE line_events (
	id      bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	key     text        COLLATE "C" NOT NULL,
	version text        NOT NULL, -- '' for the whole file
	what    text        NOT NULL CHECK (what <> ''),
	at      timestamptz NOT NULL,
	detail  text        NOT NULL
);

CREATE INDEX line_events_by_key ON line_events (key, id);

-- What gates have to read again.
--
-- Transactions commit in any order: if each drew its event's number, whoever has
-- read number 7 would never see a number 6 that commits after it. To have them
-- wait for each other would undo group commit. So they number nothing, and whoever
-- reads gives a number to each event that is committed by then.
CREATE TABLE gate_events (
	id   bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	seq  bigint      UNIQUE,
	what text        NOT NULL CHECK (what IN ('crate', 'baseline', 'token', 'all')),
	key  text        NOT NULL CHECK ((key <> '') = (what = 'crate')),
	at   timestamptz NOT NULL DEFAULT now()
);

CREATE SEQUENCE gate_event_numbers OWNED BY gate_events.seq;
CREATE INDEX gate_events_without_number ON gate_events (id) WHERE seq IS NULL;
CREATE INDEX gate_events_by_age ON gate_events (at);

-- The newest of a policy is in force.
CREATE TABLE baselines (
	id     bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	policy text        COLLATE "C" NOT NULL CHECK (policy <> ''),
	at     timestamptz NOT NULL,
	actor  text        NOT NULL,
	source text        NOT NULL,
	set_at timestamptz NOT NULL
);

CREATE TABLE exceptions (
	id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	policy     text        NOT NULL CHECK (policy <> ''),
	key        text        COLLATE "C" NOT NULL,
	crate      text        NOT NULL CHECK (crate <> ''),
	version    text        NOT NULL CHECK (version <> ''),
	checksum   bytea       NOT NULL CHECK (length(checksum) = 32),
	rule       text        NOT NULL CHECK (rule <> ''),
	reason     text        NOT NULL CHECK (reason <> ''),
	author     text        NOT NULL CHECK (author <> ''),
	created_at timestamptz NOT NULL,
	expires_at timestamptz NOT NULL CHECK (expires_at > created_at),
	ended_at   timestamptz,
	ended_by   text        NOT NULL DEFAULT '',
	CHECK ((ended_at IS NOT NULL) = (ended_by <> ''))
);

CREATE INDEX exceptions_by_key ON exceptions (key, id);
CREATE INDEX exceptions_open ON exceptions (expires_at) WHERE ended_at IS NULL;

CREATE TABLE rulings (
	id        bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	policy    text        NOT NULL CHECK (policy <> ''),
	key       text        COLLATE "C" NOT NULL,
	crate     text        NOT NULL CHECK (crate <> ''),
	version   text        NOT NULL CHECK (version <> ''),
	checksum  bytea       NOT NULL CHECK (length(checksum) = 32),
	action    text        NOT NULL CHECK (action IN ('allow', 'keep', 'block', 'revoke')),
	reason    text        NOT NULL CHECK (reason <> ''),
	author    text        NOT NULL CHECK (author <> ''),
	impartial boolean     NOT NULL,
	previous  bigint      NOT NULL, -- the ruling that its author had before them; 0 for none
	at        timestamptz NOT NULL,
	UNIQUE (key, version, checksum, policy, previous)
);

CREATE TABLE decisions (
	id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	code     text        NOT NULL CHECK (code <> ''),
	policy   text        NOT NULL CHECK (policy <> ''),
	key      text        COLLATE "C" NOT NULL,
	crate    text        NOT NULL CHECK (crate <> ''),
	version  text        NOT NULL CHECK (version <> ''),
	checksum bytea       NOT NULL CHECK (length(checksum) = 32),
	line     bytea       NOT NULL CHECK (length(line) = 32),
	state    text        NOT NULL CHECK (state <> ''),
	verdict  text        NOT NULL CHECK (verdict IN ('allow', 'hold', 'block')),
	reasons  json        NOT NULL,
	recheck  timestamptz,
	pending  boolean     NOT NULL,
	observed boolean     NOT NULL,
	rules    bytea       NOT NULL CHECK (length(rules) = 32),
	at       timestamptz NOT NULL
);

CREATE INDEX decisions_by_key ON decisions (key, id);

-- Which decision is in force. The rest of a row is the decision's own.
CREATE TABLE decisions_in_force (
	key      text   COLLATE "C" NOT NULL,
	version  text   NOT NULL,
	checksum bytea  NOT NULL,
	policy   text   NOT NULL,
	code     text   NOT NULL,
	mark     bytea  NOT NULL CHECK (length(mark) = 32), -- what has to differ for another
	decision bigint NOT NULL UNIQUE REFERENCES decisions (id),
	PRIMARY KEY (key, version, checksum, policy)
);

CREATE INDEX decisions_in_force_by_code ON decisions_in_force (code);

CREATE TABLE fetches (
	id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at       timestamptz NOT NULL,
	actor    text        NOT NULL,
	policy   text        NOT NULL,
	key      text        COLLATE "C" NOT NULL,
	crate    text        NOT NULL,
	version  text        NOT NULL,
	checksum bytea       NOT NULL CHECK (length(checksum) = 32),
	passed   boolean     NOT NULL
);

CREATE INDEX fetches_by_key ON fetches (key, version, id);

CREATE TABLE fetch_totals (
	key      text        COLLATE "C" NOT NULL,
	version  text        COLLATE "C" NOT NULL,
	checksum bytea       NOT NULL,
	crate    text        NOT NULL,
	passed   bigint      NOT NULL,
	refused  bigint      NOT NULL,
	last_at  timestamptz NOT NULL,
	PRIMARY KEY (key, version, checksum)
);

CREATE TABLE review_requests (
	id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	policy   text        NOT NULL CHECK (policy <> ''),
	key      text        COLLATE "C" NOT NULL,
	crate    text        NOT NULL CHECK (crate <> ''),
	version  text        NOT NULL CHECK (version <> ''),
	checksum bytea       NOT NULL CHECK (length(checksum) = 32),
	actor    text        NOT NULL,
	reason   text        NOT NULL,
	at       timestamptz NOT NULL,
	UNIQUE (key, version, checksum, policy, actor)
);

CREATE TABLE publish_facts (
	release_id    bigint  PRIMARY KEY REFERENCES releases (id),
	vcs           boolean NOT NULL,
	build_script  boolean NOT NULL,
	trusted       boolean NOT NULL,
	trusted_known boolean NOT NULL,
	two_factor    boolean,
	since         timestamptz, -- when the publisher had first published the crate
	releases      bigint  NOT NULL CHECK (releases >= 0) -- and how often before this one
);

-- The report's, so that a gate reads them without the reports.
CREATE TABLE run_metrics (
	run_id  bigint PRIMARY KEY REFERENCES check_runs (id),
	metrics json   NOT NULL
);

INSERT INTO run_metrics (run_id, metrics)
	SELECT id, report -> 'metrics' FROM check_runs
	WHERE json_typeof(report -> 'metrics') = 'object' AND report ->> 'metrics' <> '{}';

ALTER TABLE announcements ADD COLUMN priority integer NOT NULL DEFAULT 1 CHECK (priority BETWEEN 1 AND 4);

CREATE INDEX releases_by_checksum ON releases (checksum);
CREATE INDEX crates_by_index_key ON crates (lower(name COLLATE "C"));

-- What was said and done stays.

CREATE TRIGGER line_records_stay BEFORE UPDATE ON line_records FOR EACH ROW
	WHEN (OLD.key <> NEW.key OR OLD.version <> NEW.version OR OLD.checksum <> NEW.checksum OR OLD.first_seen_at IS DISTINCT FROM NEW.first_seen_at)
	EXECUTE FUNCTION refuse_change('the first sight of a version never changes');
CREATE TRIGGER line_records_are_kept BEFORE DELETE OR TRUNCATE ON line_records
	EXECUTE FUNCTION refuse_change('line records are kept');
CREATE TRIGGER line_events_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON line_events
	EXECUTE FUNCTION refuse_change('line events are append-only');
CREATE TRIGGER baselines_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON baselines
	EXECUTE FUNCTION refuse_change('baselines are append-only');
CREATE TRIGGER exceptions_stay BEFORE UPDATE OF id, policy, key, crate, version, checksum, rule, reason, author, created_at, expires_at ON exceptions
	EXECUTE FUNCTION refuse_change('an exception never changes, it ends');
CREATE TRIGGER exceptions_ended_stay BEFORE UPDATE ON exceptions FOR EACH ROW WHEN (OLD.ended_at IS NOT NULL)
	EXECUTE FUNCTION refuse_change('an exception that has ended never changes');
CREATE TRIGGER exceptions_are_kept BEFORE DELETE OR TRUNCATE ON exceptions
	EXECUTE FUNCTION refuse_change('exceptions are kept');
CREATE TRIGGER rulings_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON rulings
	EXECUTE FUNCTION refuse_change('rulings are append-only');
CREATE TRIGGER decisions_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON decisions
	EXECUTE FUNCTION refuse_change('decisions are append-only');
CREATE TRIGGER fetches_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON fetches
	EXECUTE FUNCTION refuse_change('fetches are append-only');
CREATE TRIGGER review_requests_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON review_requests
	EXECUTE FUNCTION refuse_change('review requests are append-only');
