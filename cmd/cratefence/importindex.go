package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cratefence/cratefence/internal/mirror"
	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/store"
	"github.com/cratefence/cratefence/internal/upstream"
)

// importCmd is `cratefence import-index`.
type importCmd struct {
	Path         string    `arg:"" help:"A folder of index files, or a git clone of an index, bare or not."`
	Ref          string    `placeholder:"REF" help:"What to read of a git clone (HEAD)."`
	Policy       []string  `placeholder:"NAME" help:"Record the baseline for this policy (repeatable), instead of all."`
	Baseline     time.Time `format:"2006-01-02" placeholder:"DATE" help:"Take releases that were published before this date as they are, in place of now; replaces a recorded baseline."`
	UndatedAsOld bool      `help:"Take versions whose line states no date to be older than the baseline. They wait by first sight otherwise."`
	JSON         bool      `name:"json" help:"Print what was imported as JSON."`
}

func (importCmd) Help() string {
	return `Has the fence know a whole registry on day one: releases older than the baseline
need no check run to be allowed, and their age counts from their publication. The
date is recorded for each policy that has none yet.

It may run beside the service, be broken off and begun again, and be repeated with
a newer index. What was first seen stays first seen, and of a crate about which
upstream itself was asked since, upstream's word stays. Of a git clone the commit
is read, not the files; nothing in it is run. It exits with 0 when all of the index
was read, lines left out included, and with 2 when it could not be.

Examples:
  git clone --depth 1 https://github.com/rust-lang/crates.io-index
  cratefence import-index crates.io-index
  cratefence import-index --policy strict --baseline 2026-11-01 ./index`
}

func (c *importCmd) Run(ctx context.Context, t *terminal, cli *cli) error {
	cfg, err := cli.config()
	if err != nil {
		return err
	}
	policies, err := c.policies(cfg)
	if err != nil {
		return err
	}
	if c.Baseline.After(time.Now()) {
		return fmt.Errorf("--baseline %s: it lies ahead, and would let through what nobody has seen yet", c.Baseline.Format(time.DateOnly))
	}
	source, err := upstream.OpenCopy(ctx, c.Path, c.Ref)
	if err != nil {
		return err
	}
	defer source.Close()
	db, err := openDatabase(ctx, cfg)
	if err != nil {
		return err
	}
	defer db.Close()
	done, err := c.importFrom(ctx, t, db, source, policies)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(t.out).Encode(done)
	}
	done.print(t)
	return nil
}

// policies are the names of those whose baseline is recorded.
func (c *importCmd) policies(cfg Config) ([]string, error) {
	file, err := openPolicies(cfg.Fence.Policies, cfg.Fence.checkAccess)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, p := range file.set.Policies() {
		names = append(names, p.Name)
	}
	for _, name := range c.Policy {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("--policy %q: the policies are %q", name, names)
		}
	}
	if len(c.Policy) > 0 {
		return c.Policy, nil
	}
	return names, nil
}

// imported is what an import came to.
type imported struct {
	Source    string         `json:"source"`
	Seconds   float64        `json:"seconds"`
	Baselines []baselineInfo `json:"baselines"` // those recorded now
	undated   bool           // versions without a date were taken to be old
	mirror.ImportSummary
}

type baselineInfo struct {
	Policy string    `json:"policy"`
	At     time.Time `json:"at"`
}

func (c *importCmd) importFrom(ctx context.Context, t *terminal, db opened, source upstream.Copy, policies []string) (imported, error) {
	begun := time.Now()
	line := newProgress(t.err)
	im := mirror.Import{Store: db, Now: time.Now, UndatedAsOld: c.UndatedAsOld, Progress: func(s mirror.ImportSummary) {
		line.say(fmt.Sprintf("%d crates, %d versions …", s.Crates, s.Versions))
	}}
	summary, err := im.Run(ctx, source)
	line.clear()
	if errors.Is(err, context.Canceled) {
		return imported{}, fmt.Errorf("broken off after %d crates: run it again to go on: %w", summary.Crates, err)
	}
	if err != nil {
		return imported{}, err
	}
	if summary.Crates == 0 {
		return imported{}, fmt.Errorf("%q holds no index file; a crate's lies at its path, as in %q", c.Path, "se/rd/serde")
	}
	done := imported{Source: source.String(), ImportSummary: summary, undated: c.UndatedAsOld, Baselines: []baselineInfo{}}
	baselines, err := c.baselines(ctx, db, policies, done.Source, begun)
	if err != nil {
		return imported{}, err
	}
	for _, b := range baselines {
		done.Baselines = append(done.Baselines, baselineInfo{b.Policy, b.At})
	}
	done.Seconds = time.Since(begun).Seconds()
	detail, err := json.Marshal(done)
	if err != nil {
		return imported{}, err
	}
	return done, db.EndImport(ctx, baselines, store.AuditEntry{
		At: time.Now(), Actor: actor(), Action: "index.import", Object: c.Path, Detail: detail,
	})
}

// baselines are those to record: of the policies that have none, unless a date
// was asked for. Importing a newer index lets nothing new through.
func (c *importCmd) baselines(ctx context.Context, db opened, policies []string, source string, now time.Time) ([]store.Baseline, error) {
	recorded, err := db.Baselines(ctx)
	if err != nil {
		return nil, err
	}
	var baselines []store.Baseline
	for _, name := range policies {
		has := slices.ContainsFunc(recorded, func(b store.Baseline) bool { return b.Policy == name })
		if has && c.Baseline.IsZero() {
			continue
		}
		at := now
		if !c.Baseline.IsZero() {
			at = c.Baseline
		}
		baselines = append(baselines, store.Baseline{Policy: name, At: store.Instant(at), Actor: actor(), Source: source, SetAt: now})
	}
	return baselines, nil
}

func (d imported) print(t *terminal) {
	fmt.Fprintf(t.out, "Imported %d crates with %d versions in %.1f s from %s.\n", d.Crates, d.Versions, d.Seconds, printable(d.Source))
	same := d.Crates - d.New - d.Merged - d.Newer
	fmt.Fprintf(t.out, "Crates: %d new, %d known and merged, %d as they were, %d left as upstream said since.\n", d.New, d.Merged, same, d.Newer)
	fmt.Fprintf(t.out, "Versions: %d yanked, %d without a date of publication.\n", d.Yanked, d.Undated)
	if d.Unreadable > 0 || d.Skipped > 0 {
		fmt.Fprintf(t.out, "Left out: %d lines and %d files, among them:\n", d.Unreadable, d.Skipped)
		for _, p := range d.Problems {
			fmt.Fprintf(t.out, "  %s\n", printable(p))
		}
	}
	if d.Undated > 0 && !d.undated {
		fmt.Fprintln(t.out, "Versions without a date wait as if they were published today; --undated-as-old takes them to be old.")
	}
	for _, b := range d.Baselines {
		fmt.Fprintf(t.out, "Policy %q takes releases published before %s as they are.\n", b.Policy, policy.FormatTime(b.At))
	}
	if len(d.Baselines) == 0 {
		fmt.Fprintln(t.out, "The baselines stay as they were.")
	}
}
