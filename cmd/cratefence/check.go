package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cratefence/cratefence/internal/api"
	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/egress"
	"github.com/cratefence/cratefence/internal/gitsource"
	"github.com/cratefence/cratefence/internal/runner"
)

// checkCmd is `cratefence check`.
type checkCmd struct {
	Target     string        `arg:"" help:"A .crate file, a folder that holds an unpacked crate, or NAME@VERSION from the configured registry."`
	Only       []string      `placeholder:"CHECK" help:"Run only these checks (repeatable); 'cratefence checks' lists them."`
	Repository string        `placeholder:"URL" help:"Compare with this repository instead of the one that the manifest names."`
	AllowHost  []string      `placeholder:"HOST[:PORT]" help:"Permit plain HTTP and a private address for this host alone (repeatable)."`
	Strict     bool          `help:"Let inconclusive and error exit with 1 too."`
	JSON       bool          `name:"json" help:"Print the API's JSON."`
	Timeout    time.Duration `help:"The longest that one check may take; each has a timeout of its own."`
}

func (checkCmd) Help() string {
	return `Runs the built-in checks here, without a database, and prints what they found.
Nothing from the crate or its repository is executed or checked out.

Exit status: 0, no check concluded failure; 1, some check did (with --strict, or
could not tell); 2, bad usage or nothing to read. Inconclusive is not success:
the report says what would settle it.

Examples:
  cratefence check serde@1.0.219
  cratefence check --strict --json target/package/itoa-1.0.15.crate
  cratefence check --only provenance --repository https://git.example/foo foo
  cratefence check --allow-host 127.0.0.1:8000 foo-1.0.0.crate`
}

func (c *checkCmd) Run(ctx context.Context, t *terminal, cli *cli) error {
	chosen, err := c.chosen()
	if err != nil {
		return err
	}
	cfg, err := cli.config()
	if err != nil {
		return err
	}
	allow := slices.Clone(cfg.Egress.Allow)
	for _, host := range c.AllowHost {
		allow = append(allow, "git="+host, "upstream="+host)
	}
	out, err := newEgress(cfg.Egress.Proxy, allow)
	if err != nil {
		return err
	}
	subject, err := c.subject(ctx, cfg, out)
	if err != nil {
		return err
	}
	if subject.Archive != nil {
		boundMemory(checkGoal(subject.Archive))
	}
	subject.Repository = c.Repository
	subject.Source = gitsource.New(out, gitsource.DefaultLimits)

	results := c.execute(ctx, t, chosen, subject)
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	if c.JSON {
		err = writeCheckJSON(t, subject, results)
	} else {
		newReporter(t.out).write(header(subject), results)
	}
	if err != nil {
		return err
	}
	if c.found(results) {
		return &exitError{code: exitFound}
	}
	return nil
}

// checkGoal is the memory to keep to while a crate is checked: the crate, and what
// checks need beside it. Where that is little, nothing is to be gained.
func checkGoal(a *crate.Archive) int64 { return max(a.Unpacked+16<<20, 112<<20) }

// chosen are the checks to run.
func (c *checkCmd) chosen() ([]*check.Check, error) {
	if len(c.Only) == 0 {
		return check.All(), nil
	}
	var chosen []*check.Check
	for _, name := range c.Only {
		one := check.Named(name)
		if one == nil {
			return nil, unknownCheck(name)
		}
		if !slices.Contains(chosen, one) {
			chosen = append(chosen, one)
		}
	}
	return chosen, nil
}

// execute runs the checks one after another, telling a person at a terminal
// which one is running.
func (c *checkCmd) execute(ctx context.Context, t *terminal, chosen []*check.Check, s *check.Subject) []checked {
	progress := newProgress(t.err)
	defer progress.clear()
	var results []checked
	for i, k := range chosen {
		progress.say(fmt.Sprintf("%s (%d of %d) …", k.Name, i+1, len(chosen)))
		timeout := k.Timeout
		if c.Timeout > 0 {
			timeout = min(timeout, c.Timeout)
		}
		report, err := runner.Run(ctx, k, s, timeout)
		if err != nil {
			progress.clear()
			fmt.Fprintf(t.err, "cratefence: %s\n", printable(err.Error()))
		}
		results = append(results, checked{k, report})
	}
	return results
}

func (c *checkCmd) found(results []checked) bool {
	return slices.ContainsFunc(results, func(r checked) bool {
		switch r.Report.Conclusion {
		case check.Failure:
			return true
		case check.Success, check.Neutral, check.Skipped:
			return false
		default:
			return c.Strict
		}
	})
}

// subject reads the target. What is on disk wins over what could be a name.
func (c *checkCmd) subject(ctx context.Context, cfg Config, out *egress.Egress) (*check.Subject, error) {
	info, err := os.Stat(c.Target)
	switch {
	case err == nil && info.IsDir():
		return folderSubject(c.Target, cfg.crateLimits())
	case err == nil:
		return fileSubject(c.Target, cfg.crateLimits())
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	name, vers, isName := strings.Cut(c.Target, "@")
	if !isName || strings.ContainsAny(c.Target, `/\`) {
		return nil, fmt.Errorf("nothing to read: %q is no file, no folder and no NAME@VERSION", c.Target)
	}
	if err := crate.ValidateName(name); err != nil {
		return nil, err
	}
	if _, err := crate.ParseVersion(vers); err != nil {
		return nil, err
	}
	return registrySubject(ctx, cfg, out, name, vers)
}

// registrySubject fetches a release of the configured registry.
func registrySubject(ctx context.Context, cfg Config, out *egress.Egress, name, vers string) (*check.Subject, error) {
	client, err := newUpstream(cfg, out)
	if err != nil {
		return nil, err
	}
	line, err := client.Line(ctx, name, vers)
	if err != nil {
		return nil, fmt.Errorf("look up %s@%s in %s: %w", name, vers, cfg.Upstream.Index, err)
	}
	data, err := client.DownloadRelease(ctx, line.Name, line.Vers, line.Cksum)
	if err != nil {
		return nil, err
	}
	release := crate.Release{Name: line.Name, Version: line.Vers, Checksum: line.Cksum}
	subject := runner.NewSubject(release, bytes.NewReader(data), int64(len(data)), cfg.crateLimits())
	subject.Index, subject.PublishedAt = &line, line.Pubtime
	subject.Registry = registryView{client, cfg.crateLimits()}
	return subject, nil
}

// fileSubject reads a .crate; its file name says which release it claims to be.
func fileSubject(path string, lim crate.Limits) (*check.Subject, error) {
	name, vers, err := crate.SplitFileName(filepath.Base(path))
	if err != nil {
		return nil, fmt.Errorf("%w; a .crate file is named NAME-VERSION.crate", err)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > lim.Packed {
		return nil, fmt.Errorf("%s has %d bytes, over the limit of %d (limits.crate_bytes)", path, info.Size(), lim.Packed)
	}
	// Read from the file twice rather than kept in memory beside what it unpacks to.
	hash := sha256.New()
	if _, err := io.Copy(hash, io.LimitReader(file, info.Size())); err != nil {
		return nil, err
	}
	release := crate.Release{Name: name, Version: vers, Checksum: crate.Checksum(hash.Sum(nil))}
	return runner.NewSubject(release, file, info.Size(), lim), nil
}

// folderSubject reads an unpacked crate; its manifest says which release it is.
func folderSubject(path string, lim crate.Limits) (*check.Subject, error) {
	archive, err := crate.ReadDir(path, lim)
	if err != nil {
		return nil, err
	}
	manifest, err := archive.Manifest()
	if err != nil {
		return nil, fmt.Errorf("%s holds no unpacked crate: %w", path, err)
	}
	release := crate.Release{Name: manifest.Package.Name, Version: string(manifest.Package.Version)}
	return &check.Subject{Release: release, Archive: archive}, nil
}

// header is the report's first line: which release, and which bytes.
func header(s *check.Subject) string {
	head := fmt.Sprintf("%s %s", printable(s.Release.Name), printable(s.Release.Version))
	if s.Archive != nil {
		head += fmt.Sprintf(" · %d files", len(s.Archive.Files))
	}
	if !s.Release.Checksum.IsZero() {
		head += " · sha256 " + s.Release.Checksum.String()[:16] + "…"
	}
	return head
}

func writeCheckJSON(t *terminal, s *check.Subject, results []checked) error {
	doc := api.NewCheckDocument(s.Release)
	for _, r := range results {
		doc.Add(r.Check, r.Report)
	}
	enc := json.NewEncoder(t.out)
	enc.SetIndent("", "  ")
	return enc.Encode(doc)
}
