-- +goose Up

-- Times are Unix milliseconds, NULL where there is none. JSON is text.

CREATE TABLE crates (
	id              integer PRIMARY KEY,
	name            text    NOT NULL,
	key             text    NOT NULL UNIQUE, -- the name as registries compare names
	search          text    NOT NULL DEFAULT '', -- the default release's description, folded as keys are
	created_at      integer NOT NULL,
	updated_at      integer NOT NULL,
	default_release integer REFERENCES releases (id) -- NULL only inside the transaction that makes the crate
) STRICT;

CREATE TABLE releases (
	id            integer PRIMARY KEY,
	crate_id      integer NOT NULL REFERENCES crates (id),
	version       text    NOT NULL,
	version_key   text    NOT NULL, -- the version without build metadata
	checksum      blob    NOT NULL CHECK (length(checksum) = 32),
	size          integer NOT NULL CHECK (size >= 0),
	published_at  integer,
	first_seen_at integer NOT NULL,
	publisher     text    NOT NULL,
	via           text    NOT NULL,
	yanked        integer NOT NULL CHECK (yanked IN (0, 1)),
	about         text    NOT NULL CHECK (json_valid(about)),
	UNIQUE (crate_id, version_key)
) STRICT;

CREATE INDEX releases_by_first_sight ON releases (first_seen_at DESC, id DESC);

CREATE TABLE incidents (
	id         integer PRIMARY KEY,
	release_id integer NOT NULL REFERENCES releases (id),
	offered    blob    NOT NULL CHECK (length(offered) = 32),
	size       integer NOT NULL CHECK (size >= 0),
	via        text    NOT NULL,
	detail     text    NOT NULL,
	seen_at    integer NOT NULL,
	last_seen  integer NOT NULL,
	times      integer NOT NULL CHECK (times > 0),
	UNIQUE (release_id, offered)
) STRICT;

CREATE TABLE announcements (
	id           integer PRIMARY KEY,
	via          text    NOT NULL,
	message_id   text    NOT NULL,
	crate        text    NOT NULL,
	version      text    NOT NULL,
	checksum     blob    NOT NULL CHECK (length(checksum) = 32),
	download_url text    NOT NULL,
	publisher    text    NOT NULL,
	published_at integer,
	status       text    NOT NULL CHECK (status IN ('received', 'stored', 'refused')),
	reason       text    NOT NULL,
	received_at  integer NOT NULL,
	finished_at  integer,
	CHECK ((finished_at IS NULL) = (status = 'received'))
) STRICT;

CREATE UNIQUE INDEX announcements_by_message ON announcements (via, message_id) WHERE message_id <> '';

CREATE TABLE check_runs (
	id            integer PRIMARY KEY,
	release_id    integer NOT NULL REFERENCES releases (id),
	check_name    text    NOT NULL CHECK (check_name <> ''),
	check_version integer NOT NULL CHECK (check_version > 0),
	attempt       integer NOT NULL CHECK (attempt > 0),
	status        text    NOT NULL CHECK (status IN ('queued', 'in_progress', 'completed')),
	queued_at     integer NOT NULL,
	run_after     integer,
	started_at    integer,
	deadline      integer,
	completed_at  integer,
	lease         text    NOT NULL DEFAULT '',
	conclusion    text    CHECK (conclusion IN ('success', 'failure', 'neutral', 'skipped', 'inconclusive', 'error')),
	report        text    CHECK (json_valid(report)),
	UNIQUE (release_id, check_name, check_version, attempt),
	CHECK ((started_at IS NULL) = (status = 'queued')),
	CHECK ((deadline IS NOT NULL AND lease <> '') = (status = 'in_progress')),
	CHECK ((completed_at IS NOT NULL AND conclusion IS NOT NULL AND report IS NOT NULL) = (status = 'completed'))
) STRICT;

-- At most one attempt is under way.
CREATE UNIQUE INDEX check_runs_pending ON check_runs (release_id, check_name, check_version) WHERE status <> 'completed';
CREATE INDEX check_runs_by_deadline ON check_runs (deadline) WHERE status = 'in_progress';
CREATE INDEX check_runs_by_status ON check_runs (status, queued_at) WHERE status <> 'completed';

CREATE TABLE crate_facts (
	crate_id   integer NOT NULL REFERENCES crates (id),
	check_name text    NOT NULL,
	run_id     integer NOT NULL REFERENCES check_runs (id), -- whose release the facts were read from
	facts      text    CHECK (json_valid(facts)),
	read_at    integer NOT NULL,
	PRIMARY KEY (crate_id, check_name)
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
	id         integer PRIMARY KEY,
	name       text    NOT NULL CHECK (name <> ''),
	hash       blob    NOT NULL UNIQUE CHECK (length(hash) = 32),
	scopes     text    NOT NULL CHECK (json_valid(scopes)),
	created_at integer NOT NULL,
	expires_at integer,
	revoked_at integer,
	used_at    integer
) STRICT;

CREATE INDEX tokens_by_name ON tokens (name);

CREATE TABLE audit_log (
	id     integer PRIMARY KEY,
	at     integer NOT NULL,
	actor  text    NOT NULL,
	action text    NOT NULL,
	object text    NOT NULL,
	detail text    CHECK (json_valid(detail))
) STRICT;

-- What is over does not change, whoever holds the pen.

-- +goose StatementBegin
CREATE TRIGGER check_runs_completed_stay BEFORE UPDATE ON check_runs WHEN OLD.status = 'completed'
BEGIN
	SELECT raise(ABORT, 'a completed check run never changes');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER check_runs_are_kept BEFORE DELETE ON check_runs
BEGIN
	SELECT raise(ABORT, 'check runs are kept');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER releases_stay BEFORE UPDATE OF crate_id, version, version_key, checksum, size, first_seen_at ON releases
BEGIN
	SELECT raise(ABORT, 'the bytes of a release never change');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER releases_are_kept BEFORE DELETE ON releases
BEGIN
	SELECT raise(ABORT, 'releases are kept');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER incidents_are_kept BEFORE DELETE ON incidents
BEGIN
	SELECT raise(ABORT, 'incidents are kept');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER audit_log_stays BEFORE UPDATE ON audit_log
BEGIN
	SELECT raise(ABORT, 'the audit log is append-only');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER audit_log_is_kept BEFORE DELETE ON audit_log
BEGIN
	SELECT raise(ABORT, 'the audit log is append-only');
END;
-- +goose StatementEnd
