-- +goose Up

-- A crate's accepted index lines. The lines stand last: what is before them is
-- read without them.
CREATE TABLE index_files (
	id            integer PRIMARY KEY,
	key           text    NOT NULL UNIQUE, -- the crate's name in lower case
	name          text    NOT NULL,
	size          integer NOT NULL CHECK (size >= 0),
	etag          text    NOT NULL,
	last_modified text    NOT NULL,
	checked_at    integer,
	changed_at    integer,
	first_seen_at integer,
	imported_at   integer,
	gone_since    integer,
	bad           integer NOT NULL CHECK (bad >= 0),
	revision      integer NOT NULL CHECK (revision > 0),
	lines         blob    NOT NULL -- gzip
) STRICT;

CREATE TABLE line_records (
	id            integer PRIMARY KEY,
	key           text    NOT NULL REFERENCES index_files (key),
	version       text    NOT NULL,
	checksum      blob    NOT NULL CHECK (length(checksum) = 32),
	published_at  integer,
	first_seen_at integer,
	dated         integer NOT NULL CHECK (dated IN (0, 1)),
	yanked        integer NOT NULL CHECK (yanked IN (0, 1)),
	yanked_at     integer,
	honoured_at   integer,
	wave          integer NOT NULL CHECK (wave >= 0),
	trouble       text    NOT NULL CHECK (trouble IN ('', 'changed', 'other-checksum', 'removed')),
	trouble_at    integer,
	offered       blob,
	UNIQUE (key, version)
) STRICT;

CREATE TABLE line_events (
	id      integer PRIMARY KEY,
	key     text    NOT NULL,
	version text    NOT NULL, -- '' for the whole file
	what    text    NOT NULL CHECK (what <> ''),
	at      integer NOT NULL,
	detail  text    NOT NULL
) STRICT;

CREATE INDEX line_events_by_key ON line_events (key, id);

-- What gates have to read again, in the order of commits. Numbers are never used
-- twice, though old rows go.
CREATE TABLE gate_events (
	seq  integer PRIMARY KEY AUTOINCREMENT,
	what text    NOT NULL CHECK (what IN ('crate', 'baseline', 'token', 'all')),
	key  text    NOT NULL CHECK ((key <> '') = (what = 'crate')),
	at   integer NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS integer))
) STRICT;

CREATE INDEX gate_events_by_age ON gate_events (at);

-- The newest of a policy is in force.
CREATE TABLE baselines (
	id     integer PRIMARY KEY,
	policy text    NOT NULL CHECK (policy <> ''),
	at     integer NOT NULL,
	actor  text    NOT NULL,
	source text    NOT NULL,
	set_at integer NOT NULL
) STRICT;

CREATE TABLE exceptions (
	id         integer PRIMARY KEY,
	policy     text    NOT NULL CHECK (policy <> ''),
	key        text    NOT NULL,
	crate      text    NOT NULL CHECK (crate <> ''),
	version    text    NOT NULL CHECK (version <> ''),
	checksum   blob    NOT NULL CHECK (length(checksum) = 32),
	rule       text    NOT NULL CHECK (rule <> ''),
	reason     text    NOT NULL CHECK (reason <> ''),
	author     text    NOT NULL CHECK (author <> ''),
	created_at integer NOT NULL,
	expires_at integer NOT NULL CHECK (expires_at > created_at),
	ended_at   integer,
	ended_by   text    NOT NULL DEFAULT '',
	CHECK ((ended_at IS NOT NULL) = (ended_by <> ''))
) STRICT;

CREATE INDEX exceptions_by_key ON exceptions (key, id);
CREATE INDEX exceptions_open ON exceptions (expires_at) WHERE ended_at IS NULL;

CREATE TABLE rulings (
	id        integer PRIMARY KEY,
	policy    text    NOT NULL CHECK (policy <> ''),
	key       text    NOT NULL,
	crate     text    NOT NULL CHECK (crate <> ''),
	version   text    NOT NULL CHECK (version <> ''),
	checksum  blob    NOT NULL CHECK (length(checksum) = 32),
	action    text    NOT NULL CHECK (action IN ('allow', 'keep', 'block', 'revoke')),
	reason    text    NOT NULL CHECK (reason <> ''),
	author    text    NOT NULL CHECK (author <> ''),
	impartial integer NOT NULL CHECK (impartial IN (0, 1)),
	previous  integer NOT NULL, -- the ruling that its author had before them; 0 for none
	at        integer NOT NULL,
	UNIQUE (key, version, checksum, policy, previous)
) STRICT;

CREATE TABLE decisions (
	id       integer PRIMARY KEY,
	code     text    NOT NULL CHECK (code <> ''),
	policy   text    NOT NULL CHECK (policy <> ''),
	key      text    NOT NULL,
	crate    text    NOT NULL CHECK (crate <> ''),
	version  text    NOT NULL CHECK (version <> ''),
	checksum blob    NOT NULL CHECK (length(checksum) = 32),
	line     blob    NOT NULL CHECK (length(line) = 32),
	state    text    NOT NULL CHECK (state <> ''),
	verdict  text    NOT NULL CHECK (verdict IN ('allow', 'hold', 'block')),
	reasons  text    NOT NULL CHECK (json_valid(reasons)),
	recheck  integer,
	pending  integer NOT NULL CHECK (pending IN (0, 1)),
	observed integer NOT NULL CHECK (observed IN (0, 1)),
	rules    blob    NOT NULL CHECK (length(rules) = 32),
	at       integer NOT NULL
) STRICT;

CREATE INDEX decisions_by_key ON decisions (key, id);

-- Which decision is in force. The rest of a row is the decision's own.
CREATE TABLE decisions_in_force (
	key      text    NOT NULL,
	version  text    NOT NULL,
	checksum blob    NOT NULL,
	policy   text    NOT NULL,
	code     text    NOT NULL,
	mark     blob    NOT NULL CHECK (length(mark) = 32), -- what has to differ for another
	decision integer NOT NULL UNIQUE REFERENCES decisions (id),
	PRIMARY KEY (key, version, checksum, policy)
) STRICT, WITHOUT ROWID;

CREATE INDEX decisions_in_force_by_code ON decisions_in_force (code);

CREATE TABLE fetches (
	id       integer PRIMARY KEY,
	at       integer NOT NULL,
	actor    text    NOT NULL,
	policy   text    NOT NULL,
	key      text    NOT NULL,
	crate    text    NOT NULL,
	version  text    NOT NULL,
	checksum blob    NOT NULL CHECK (length(checksum) = 32),
	passed   integer NOT NULL CHECK (passed IN (0, 1))
) STRICT;

CREATE INDEX fetches_by_key ON fetches (key, version, id);

CREATE TABLE fetch_totals (
	key      text    NOT NULL,
	version  text    NOT NULL,
	checksum blob    NOT NULL,
	crate    text    NOT NULL,
	passed   integer NOT NULL,
	refused  integer NOT NULL,
	last_at  integer NOT NULL,
	PRIMARY KEY (key, version, checksum)
) STRICT, WITHOUT ROWID;

CREATE TABLE review_requests (
	id       integer PRIMARY KEY,
	policy   text    NOT NULL CHECK (policy <> ''),
	key      text    NOT NULL,
	crate    text    NOT NULL CHECK (crate <> ''),
	version  text    NOT NULL CHECK (version <> ''),
	checksum blob    NOT NULL CHECK (length(checksum) = 32),
	actor    text    NOT NULL,
	reason   text    NOT NULL,
	at       integer NOT NULL,
	UNIQUE (key, version, checksum, policy, actor)
) STRICT;

CREATE TABLE publish_facts (
	release_id    integer PRIMARY KEY REFERENCES releases (id),
	vcs           integer NOT NULL CHECK (vcs IN (0, 1)),
	build_script  integer NOT NULL CHECK (build_script IN (0, 1)),
	trusted       integer NOT NULL CHECK (trusted IN (0, 1)),
	trusted_known integer NOT NULL CHECK (trusted_known IN (0, 1)),
	two_factor    integer CHECK (two_factor IN (0, 1)),
	since         integer, -- when the publisher had first published the crate
	releases      integer NOT NULL CHECK (releases >= 0) -- and how often before this one
) STRICT;

-- The report's, so that a gate reads them without the reports.
CREATE TABLE run_metrics (
	run_id  integer PRIMARY KEY REFERENCES check_runs (id),
	metrics text    NOT NULL CHECK (json_valid(metrics))
) STRICT;

INSERT INTO run_metrics (run_id, metrics)
	SELECT id, json_extract(report, '$.metrics') FROM check_runs
	WHERE json_type(report, '$.metrics') = 'object' AND json_extract(report, '$.metrics') <> '{}';

ALTER TABLE announcements ADD COLUMN priority integer NOT NULL DEFAULT 1 CHECK (priority BETWEEN 1 AND 4);

CREATE INDEX releases_by_checksum ON releases (checksum);
CREATE INDEX crates_by_index_key ON crates (lower(name));

-- What was said and done stays.

-- +goose StatementBegin
CREATE TRIGGER line_records_stay BEFORE UPDATE ON line_records
WHEN OLD.key <> NEW.key OR OLD.version <> NEW.version OR OLD.checksum <> NEW.checksum OR OLD.first_seen_at IS NOT NEW.first_seen_at
BEGIN
	SELECT raise(ABORT, 'the first sight of a version never changes');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER line_records_are_kept BEFORE DELETE ON line_records
BEGIN
	SELECT raise(ABORT, 'line records are kept');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER line_events_stay BEFORE UPDATE ON line_events
BEGIN
	SELECT raise(ABORT, 'line events are append-only');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER line_events_are_kept BEFORE DELETE ON line_events
BEGIN
	SELECT raise(ABORT, 'line events are append-only');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER baselines_stay BEFORE UPDATE ON baselines
BEGIN
	SELECT raise(ABORT, 'baselines are append-only');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER baselines_are_kept BEFORE DELETE ON baselines
BEGIN
	SELECT raise(ABORT, 'baselines are append-only');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER exceptions_stay BEFORE UPDATE OF id, policy, key, crate, version, checksum, rule, reason, author, created_at, expires_at ON exceptions
BEGIN
	SELECT raise(ABORT, 'an exception never changes, it ends');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER exceptions_ended_stay BEFORE UPDATE ON exceptions WHEN OLD.ended_at IS NOT NULL
BEGIN
	SELECT raise(ABORT, 'an exception that has ended never changes');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER exceptions_are_kept BEFORE DELETE ON exceptions
BEGIN
	SELECT raise(ABORT, 'exceptions are kept');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER rulings_stay BEFORE UPDATE ON rulings
BEGIN
	SELECT raise(ABORT, 'rulings are append-only');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER rulings_are_kept BEFORE DELETE ON rulings
BEGIN
	SELECT raise(ABORT, 'rulings are append-only');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER decisions_stay BEFORE UPDATE ON decisions
BEGIN
	SELECT raise(ABORT, 'decisions are append-only');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER decisions_are_kept BEFORE DELETE ON decisions
BEGIN
	SELECT raise(ABORT, 'decisions are append-only');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER fetches_stay BEFORE UPDATE ON fetches
BEGIN
	SELECT raise(ABORT, 'fetches are append-only');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER fetches_are_kept BEFORE DELETE ON fetches
BEGIN
	SELECT raise(ABORT, 'fetches are append-only');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER review_requests_stay BEFORE UPDATE ON review_requests
BEGIN
	SELECT raise(ABORT, 'review requests are append-only');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER review_requests_are_kept BEFORE DELETE ON review_requests
BEGIN
	SELECT raise(ABORT, 'review requests are append-only');
END;
-- +goose StatementEnd
