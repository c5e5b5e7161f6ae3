-- +goose Up

CREATE TABLE crates (
	id              bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name            text        NOT NULL,
	key             text        COLLATE "C" NOT NULL UNIQUE, -- the name as registries compare names
	search          text        NOT NULL DEFAULT '', -- the default release's description, folded as keys are
	created_at      timestamptz NOT NULL,
	updated_at      timestamptz NOT NULL,
	default_release bigint -- NULL only inside the transaction that makes the crate
);

CREATE TABLE releases (
	id            bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	crate_id      bigint      NOT NULL REFERENCES crates (id),
	version       text        NOT NULL,
	version_key   text        COLLATE "C" NOT NULL, -- the version without build metadata
	checksum      bytea       NOT NULL CHECK (length(checksum) = 32),
	size          bigint      NOT NULL CHECK (size >= 0),
	published_at  timestamptz,
	first_seen_at timestamptz NOT NULL,
	publisher     text        NOT NULL,
	via           text        NOT NULL,
	yanked        boolean     NOT NULL,
	about         json        NOT NULL,
	UNIQUE (crate_id, version_key)
);

ALTER TABLE crates ADD FOREIGN KEY (default_release) REFERENCES releases (id);

CREATE INDEX releases_by_first_sight ON releases (first_seen_at DESC, id DESC);

CREATE TABLE incidents (
	id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	release_id bigint      NOT NULL REFERENCES releases (id),
	offered    bytea       NOT NULL CHECK (length(offered) = 32),
	size       bigint      NOT NULL CHECK (size >= 0),
	via        text        NOT NULL,
	detail     text        NOT NULL,
	seen_at    timestamptz NOT NULL,
	last_seen  timestamptz NOT NULL,
	times      integer     NOT NULL CHECK (times > 0),
	UNIQUE (release_id, offered)
);

CREATE TABLE announcements (
	id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	via          text        NOT NULL,
	message_id   text        NOT NULL,
	crate        text        NOT NULL,
	version      text        NOT NULL,
	checksum     bytea       NOT NULL CHECK (length(checksum) = 32),
	download_url text        NOT NULL,
	publisher    text        NOT NULL,
	published_at timestamptz,
	status       text        NOT NULL CHECK (status IN ('received', 'stored', 'refused')),
	reason       text        NOT NULL,
	received_at  timestamptz NOT NULL,
	finished_at  timestamptz,
	CHECK ((finished_at IS NULL) = (status = 'received'))
);

CREATE UNIQUE INDEX announcements_by_message ON announcements (via, message_id) WHERE message_id <> '';

CREATE TABLE check_runs (
	id            bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	release_id    bigint      NOT NULL REFERENCES releases (id),
	check_name    text        COLLATE "C" NOT NULL CHECK (check_name <> ''),
	check_version integer     NOT NULL CHECK (check_version > 0),
	attempt       integer     NOT NULL CHECK (attempt > 0),
	status        text        NOT NULL CHECK (status IN ('queued', 'in_progress', 'completed')),
	queued_at     timestamptz NOT NULL,
	run_after     timestamptz,
	started_at    timestamptz,
	deadline      timestamptz,
	completed_at  timestamptz,
	lease         text        NOT NULL DEFAULT '',
	conclusion    text        CHECK (conclusion IN ('success', 'failure', 'neutral', 'skipped', 'inconclusive', 'error')),
	report        json,
	UNIQUE (release_id, check_name, check_version, attempt),
	CHECK ((started_at IS NULL) = (status = 'queued')),
	CHECK ((deadline IS NOT NULL AND lease <> '') = (status = 'in_progress')),
	CHECK ((completed_at IS NOT NULL AND conclusion IS NOT NULL AND report IS NOT NULL) = (status = 'completed'))
);

-- At most one attempt is under way.
CREATE UNIQUE INDEX check_runs_pending ON check_runs (release_id, check_name, check_version) WHERE status <> 'completed';
CREATE INDEX check_runs_by_deadline ON check_runs (deadline) WHERE status = 'in_progress';
CREATE INDEX check_runs_by_status ON check_runs (status, queued_at) WHERE status <> 'completed';

CREATE TABLE crate_facts (
	crate_id   bigint      NOT NULL REFERENCES crates (id),
	check_name text        COLLATE "C" NOT NULL,
	run_id     bigint      NOT NULL REFERENCES check_runs (id), -- whose release the facts were read from
	facts      json,
	read_at    timestamptz NOT NULL,
	PRIMARY KEY (crate_id, check_name)
);

CREATE TABLE tokens (
	id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name       text        NOT NULL CHECK (name <> ''),
	hash       bytea       NOT NULL UNIQUE CHECK (length(hash) = 32),
	scopes     text[]      NOT NULL,
	created_at timestamptz NOT NULL,
	expires_at timestamptz,
	revoked_at timestamptz,
	used_at    timestamptz
);

CREATE INDEX tokens_by_name ON tokens (name);

CREATE TABLE audit_log (
	id     bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at     timestamptz NOT NULL,
	actor  text        NOT NULL,
	action text        NOT NULL,
	object text        NOT NULL,
	detail json
);

-- What is over does not change, whoever holds the pen.

-- +goose StatementBegin
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'restrict_violation';
END;
$$;
-- +goose StatementEnd

CREATE TRIGGER check_runs_completed_stay BEFORE UPDATE ON check_runs FOR EACH ROW WHEN (OLD.status = 'completed')
	EXECUTE FUNCTION refuse_change('a completed check run never changes');
CREATE TRIGGER check_runs_are_kept BEFORE DELETE OR TRUNCATE ON check_runs
	EXECUTE FUNCTION refuse_change('check runs are kept');
CREATE TRIGGER releases_stay BEFORE UPDATE OF crate_id, version, version_key, checksum, size, first_seen_at ON releases
	EXECUTE FUNCTION refuse_change('the bytes of a release never change');
CREATE TRIGGER releases_are_kept BEFORE DELETE OR TRUNCATE ON releases
	EXECUTE FUNCTION refuse_change('releases are kept');
CREATE TRIGGER incidents_are_kept BEFORE DELETE OR TRUNCATE ON incidents
	EXECUTE FUNCTION refuse_change('incidents are kept');
CREATE TRIGGER audit_log_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
	EXECUTE FUNCTION refuse_change('the audit log is append-only');
