package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/cratefence/cratefence/internal/advisory"
	"github.com/cratefence/cratefence/internal/auth"
	"github.com/cratefence/cratefence/internal/blob"
	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/gate"
	"github.com/cratefence/cratefence/internal/intake"
	"github.com/cratefence/cratefence/internal/mirror"
	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/registry"
	"github.com/cratefence/cratefence/internal/ruling"
	"github.com/cratefence/cratefence/internal/store"
	"github.com/cratefence/cratefence/internal/upstream"
)

// How often a fence does what nobody asks for.
const (
	sweepEvery     = 5 * time.Second // releases that were let through unchecked are taken in, most used first
	sweepBatch     = 20
	closeEvery     = 10 * time.Second // exceptions whose time is over are closed
	advisoryEvery  = time.Minute      // the folder of advisories is looked at
	policyEvery    = 2 * time.Second  // the file of policies is looked at
	pruneEvery     = time.Hour
	keepGateEvents = 7 * 24 * time.Hour
)

// A fence is what gates: the gate, the mirror that feeds it, and what goes on
// behind them.
type fence struct {
	cfg      Config
	log      *slog.Logger
	db       database
	gate     *gate.Gate
	mirror   *mirror.Mirror
	policies *policyFile
	fetches  *registry.FetchLog
	intake   *intake.Intake
	tokens   *auth.Cache

	advisories *advisory.Folder // nil for none
	desk       *ruling.Desk
	access     registry.Access
	handler    http.Handler // of /p/

	stop context.CancelFunc
	done sync.WaitGroup
}

// newFence reads the policies and the snapshot that it decides from. It does not
// run yet.
func newFence(ctx context.Context, cfg Config, s *service, in *intake.Intake, client *upstream.Client, blobs *blob.Folder) (*fence, error) {
	f := &fence{cfg: cfg, log: s.log, db: s.db, intake: in}
	policies, err := openPolicies(cfg.Fence.Policies, cfg.Fence.checkAccess)
	if err != nil {
		return nil, err
	}
	f.policies = policies
	var known gate.Advisories
	if cfg.Fence.Advisories != "" {
		if f.advisories, err = openAdvisories(ctx, cfg.Fence.Advisories, s.log); err != nil {
			return nil, err
		}
		known = advisories{f.advisories}
	}
	key, err := codeKey(cfg)
	if err != nil {
		return nil, err
	}
	f.tokens = auth.NewCache(&auth.Auth{Store: s.db, Now: time.Now, Log: s.log}, time.Duration(cfg.Fence.MaxStale))
	if f.gate, err = gate.Open(ctx, gate.Config{
		Store: s.db, Policies: policies.set, Checks: checkVersions(), Advisories: known,
		MaxStale: time.Duration(cfg.Fence.MaxStale), CodeKey: key,
		TokensChanged: f.tokens.Forget, Now: time.Now, Log: s.log,
	}); err != nil {
		return nil, err
	}
	f.mirror = &mirror.Mirror{
		Store: s.db, Upstream: indexFiles{client}, Now: time.Now, Log: s.log, TTL: time.Duration(cfg.Fence.IndexTTL),
		Seen: f.seen, Changed: f.changed,
	}
	in.Taken, in.Lines = f.taken, s.db
	if cfg.Fence.AskPublishers {
		in.Publishers = newPublishers(client, s.log)
	}
	f.fetches = registry.NewFetchLog(s.db, s.log)
	f.access = registry.Access{Anonymous: cfg.Fence.Anonymous, Tokens: cfg.Fence.Tokens, AuthRequired: cfg.Fence.AuthRequired}
	f.desk = newDesk(cfg, s.db, f.gate)
	f.desk.Changed = f.changed
	f.handler = registry.New(registry.Deps{
		Gate: f.gate, Mirror: f.mirror, Blobs: kept{blobs}, Upstream: released{client},
		Intake: in, Fetches: f.fetches, Tokens: f.tokens, Access: f.access,
		BaseURL: cfg.BaseURL, Redirect: cfg.Fence.Downloads == "redirect",
		GateWait: time.Duration(cfg.Fence.GateWait), MaxCrate: cfg.Limits.CrateBytes,
		OtherBytes: f.otherBytes, Now: time.Now, Log: s.log,
	})
	return f, nil
}

// checkAccess refuses policies among which one is missing that the configuration
// names: who was meant to use it would be turned away without a word.
func (c FenceConfig) checkAccess(set *policy.Set) error {
	var names []string
	for _, p := range set.Policies() {
		names = append(names, p.Name)
	}
	missing := func(key string, policies []string) error {
		for _, name := range policies {
			if !slices.Contains(names, name) {
				return fmt.Errorf("%s names the policy %q, and there are %q", key, name, names)
			}
		}
		return nil
	}
	errs := []error{missing("fence.anonymous", c.Anonymous)}
	for token, policies := range c.Tokens {
		errs = append(errs, missing("fence.tokens."+token, policies))
	}
	return errors.Join(errs...)
}

// run does what goes on behind the requests until close.
func (f *fence) run(ctx context.Context) {
	ctx, f.stop = context.WithCancel(context.WithoutCancel(ctx))
	for _, loop := range []func(context.Context){
		f.gate.Run,
		f.fetches.Run,
		every(policyEvery, f.reloadPolicies),
		every(sweepEvery, f.sweep),
		every(closeEvery, f.closeExceptions),
		every(pruneEvery, f.prune),
		every(advisoryEvery, f.reloadAdvisories),
	} {
		f.done.Go(func() { loop(ctx) })
	}
}

// close ends what runs behind the requests, and writes what is to be written.
func (f *fence) close() {
	if f.stop != nil {
		f.stop()
		f.done.Wait()
	}
}

func every(d time.Duration, do func(context.Context)) func(context.Context) {
	return func(ctx context.Context) {
		tick := time.NewTicker(d)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				do(ctx)
			}
		}
	}
}

// changed has the gate of this process read a crate anew at once.
func (f *fence) changed(ctx context.Context, key string) {
	if err := f.gate.Apply(ctx, key); err != nil {
		f.log.WarnContext(ctx, "the gate hears of a change later", "crate", key, "error", err)
	}
}

// taken has the gate know a release that came by another way than its index line,
// so that it is decided on before anybody asks for it, and what it is measured by.
func (f *fence) taken(ctx context.Context, r store.Release) {
	ctx = context.WithoutCancel(ctx)
	go func() {
		err := f.mirror.Refresh(ctx, r.Crate)
		if err == nil {
			err = f.wantPrevious(ctx, r)
		}
		if err != nil {
			f.log.DebugContext(ctx, "index not asked for a release that was taken in", "crate", r.Crate, "error", err)
		}
	}()
}

// wantPrevious has the version before a held release taken in: nothing shortens a
// wait before the two were compared. Most are there already, for they are in use.
func (f *fence) wantPrevious(ctx context.Context, r store.Release) error {
	var errs []error
	for _, name := range f.gate.Policies() {
		view, err := f.gate.Crate(name, r.Crate)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		v := view.Version(r.Version)
		if v == nil || v.Decision.Verdict() == policy.Allow {
			continue
		}
		before := view.Version(v.Evidence.Previous)
		if before == nil || before.TakenIn || v.Evidence.Dated && before.Decision.Verdict() != policy.Allow {
			continue // without a baseline all that was there waits: a crate is not fetched from end to end
		}
		errs = append(errs, f.intake.Want(ctx, view.Name, before.Version, before.Evidence.Checksum, store.PriorityStale))
	}
	return errors.Join(errs...)
}

// seen has versions taken in that were not known before.
func (f *fence) seen(ctx context.Context, sights []mirror.Sight) error {
	var errs []error
	for _, s := range sights {
		errs = append(errs, f.intake.Want(ctx, s.Name, s.Version, s.Checksum, store.PriorityFresh))
	}
	return errors.Join(errs...)
}

// otherBytes is told when upstream sends other bytes than the release's.
func (f *fence) otherBytes(ctx context.Context, r crate.Release, got crate.Checksum) {
	f.log.ErrorContext(ctx, "upstream sent other bytes than its index says; they were not let through",
		"release", r.String(), "want", r.Checksum.String(), "got", got.String())
	// Taking it in is what looks closer, and keeps the bytes as an incident.
	if err := f.intake.Want(ctx, r.Name, r.Version, r.Checksum, store.PriorityFresh); err != nil {
		f.log.WarnContext(ctx, "release not asked for", "release", r.String(), "error", err)
	}
}

func (f *fence) sweep(ctx context.Context) {
	if _, err := f.intake.Sweep(ctx, f.db, sweepBatch); err != nil && ctx.Err() == nil {
		f.log.WarnContext(ctx, "what was let through unchecked is not taken in yet", "error", err)
	}
}

func (f *fence) closeExceptions(ctx context.Context) {
	closed, err := f.db.CloseExpired(ctx, time.Now())
	if err != nil && ctx.Err() == nil {
		f.log.WarnContext(ctx, "exceptions not closed yet", "error", err)
	}
	for _, e := range closed {
		f.log.InfoContext(ctx, "an exception is over", "crate", e.Crate, "version", e.Version, "rule", e.Rule, "author", e.Author)
	}
}

func (f *fence) prune(ctx context.Context) {
	if err := f.db.PruneGateEvents(ctx, time.Now().Add(-keepGateEvents)); err != nil && ctx.Err() == nil {
		f.log.WarnContext(ctx, "old events not forgotten", "error", err)
	}
}

func (f *fence) reloadPolicies(ctx context.Context) {
	set, changed, err := f.policies.reload()
	switch {
	case err != nil:
		f.log.ErrorContext(ctx, "the policies' file is not taken: those before stay in force", "file", f.cfg.Fence.Policies, "error", err)
	case changed:
		f.gate.Reload(set)
		f.log.InfoContext(ctx, "policies are in force", "file", f.cfg.Fence.Policies, "policies", f.gate.Policies())
	}
}

func (f *fence) reloadAdvisories(ctx context.Context) {
	if f.advisories == nil {
		return
	}
	reading, changed, err := f.advisories.Refresh(ctx)
	switch {
	case err != nil && ctx.Err() == nil:
		f.log.WarnContext(ctx, "advisories are not read again: those before stay", "error", err)
	case changed:
		tellReading(f.log, reading)
		f.gate.AdvisoriesChanged()
	}
}

func openAdvisories(ctx context.Context, dir string, log *slog.Logger) (*advisory.Folder, error) {
	folder, reading, err := advisory.Open(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("fence.advisories: %w", err)
	}
	tellReading(log, reading)
	return folder, nil
}

func tellReading(log *slog.Logger, r advisory.Reading) {
	log.Info("advisories read", "advisories", r.Advisories, "files", r.Files, "skipped", r.Skipped)
	if r.Why != nil {
		log.Warn("files that are no advisories were skipped", "skipped", r.Skipped, "first", r.Why)
	}
}

// checkVersions are the checks that this program runs.
func checkVersions() map[string]int {
	versions := map[string]int{}
	for _, c := range check.All() {
		versions[c.Name] = c.Version
	}
	return versions
}
