-- +goose Up

ALTER TABLE check_runs ADD COLUMN again integer NOT NULL DEFAULT 0 CHECK (again IN (0, 1));

-- The report's, so that a history is read without its reports.
ALTER TABLE check_runs ADD COLUMN title text NOT NULL DEFAULT '';

CREATE INDEX check_runs_again ON check_runs (queued_at) WHERE again = 1;

-- When an answer has grown old. There is no row while a run is on its way: its
-- end makes one.
CREATE TABLE rechecks (
	release_id    integer NOT NULL REFERENCES releases (id),
	check_name    text    NOT NULL,
	check_version integer NOT NULL,
	due_at        integer NOT NULL,
	PRIMARY KEY (release_id, check_name)
) STRICT, WITHOUT ROWID;

CREATE INDEX rechecks_by_due ON rechecks (check_name, check_version, due_at);
