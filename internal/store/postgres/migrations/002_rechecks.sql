-- +goose Up

ALTER TABLE check_runs ADD COLUMN again boolean NOT NULL DEFAULT false;

-- The report's, so that a history is read without its reports.
ALTER TABLE check_runs ADD COLUMN title text NOT NULL DEFAULT '';

CREATE INDEX check_runs_again ON check_runs (queued_at) WHERE again;

-- When an answer has grown old. There is no row while a run is on its way: its
-- end makes one.
CREATE TABLE rechecks (
	release_id    bigint      NOT NULL REFERENCES releases (id),
	check_name    text        COLLATE "C" NOT NULL,
	check_version integer     NOT NULL,
	due_at        timestamptz NOT NULL,
	PRIMARY KEY (release_id, check_name)
);

CREATE INDEX rechecks_by_due ON rechecks (check_name, check_version, due_at);
