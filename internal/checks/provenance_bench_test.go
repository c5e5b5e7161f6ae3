package checks

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/checks/provenance"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/cratetest"
	"github.com/cratefence/cratefence/internal/egress"
	"github.com/cratefence/cratefence/internal/gitobj"
	"github.com/cratefence/cratefence/internal/gitsource"
)

// BenchmarkProvenance looks at a release of a repository of 4,000 files: the
// whole check, with nothing known from before, beside what git needs to fetch
// the commit's trees and to hash the crate's files, which answers less.
func BenchmarkProvenance(b *testing.B) {
	root := b.TempDir()
	repository := cratetest.MustRepository(b, filepath.Join(root, "o", "many"), manyFiles(4000, 12))
	bench := newProvenanceBench(b, root)
	clone := bench.clone(b, "o/many")
	for _, at := range []struct {
		name   string
		commit string
	}{
		{"tagged", repository.Head()},
		{"on_branch", repository.Commits[1]},
	} {
		b.Run(at.name, func(b *testing.B) {
			r := looked{
				repository: "o/many", commit: at.commit, path: "crates/c007",
				folder: filepath.Join(repository.Dir, "crates", "c007"),
			}
			r.subject = subject("c007", "1.0.0", packFolder(b, r))
			var costs comparedCosts
			for b.Loop() {
				report := costs.add(b, bench, r)
				if report.Conclusion == check.Failure || report.Conclusion == check.Inconclusive {
					b.Fatalf("concluded %s: %s", report.Conclusion, report.Title)
				}
			}
			costs.report(b)
			b.ReportMetric(float64(clone)/float64(median(costs.ours).received), "clone/bytes")
		})
	}
}

// manyFiles is a workspace's history: a hundred packages share the files, each
// commit changes one package, and the last is tagged as a release of c007.
func manyFiles(files, commits int) string {
	var b strings.Builder
	b.WriteString("-- Cargo.toml --\n[workspace]\nmembers = [\"crates/*\"]\nresolver = \"2\"\n")
	for i := range 100 {
		fmt.Fprintf(&b, "-- crates/c%03d/Cargo.toml --\n[package]\nname = \"c%03d\"\nversion = \"1.0.0\"\nedition = \"2021\"\n", i, i)
		for j := range files / 100 {
			fmt.Fprintf(&b, "-- crates/c%03d/src/m%02d/f%03d.rs --\n// %[1]d %[3]d\n%s", i, j%4, j, strings.Repeat("pub fn nothing() {}\n", 10+j))
		}
	}
	for n := 2; n <= commits; n++ {
		fmt.Fprintf(&b, "-- @%d/crates/c%03d/src/m00/f000.rs --\n// changed in %[1]d\n", n, 90-n)
	}
	fmt.Fprintf(&b, "-- @%d tag c007-v1.0.0 --\n", commits)
	return b.String()
}

func packFolder(b *testing.B, r looked) []byte {
	b.Helper()
	p := cratetest.Package{Name: "c007", Version: "1.0.0", Commit: r.commit, PathInVCS: r.path}
	for _, name := range r.files(b) {
		data, err := os.ReadFile(filepath.Join(r.folder, name))
		if err != nil {
			b.Fatal(err)
		}
		p.Files = append(p.Files, cratetest.File{Path: filepath.ToSlash(name), Data: data})
	}
	return cratetest.MustPack(b, p)
}

// BenchmarkProvenanceCorpus looks at real releases and their real repositories,
// one of each crate, and logs what was concluded. $CRATEFENCE_CORPUS is a folder
// of published/NAME-VERSION, of bare repositories below git/, and of index.tsv
// that says, by the columns of its first line, which belong together.
func BenchmarkProvenanceCorpus(b *testing.B) {
	corpus := os.Getenv("CRATEFENCE_CORPUS")
	if corpus == "" {
		b.Skip("no CRATEFENCE_CORPUS")
	}
	bench := newProvenanceBench(b, filepath.Join(corpus, "git"))
	releases := readCorpus(b, corpus)
	for b.Loop() {
		var costs comparedCosts
		concluded := map[check.Conclusion][]string{}
		for _, r := range releases {
			report := costs.add(b, bench, r)
			concluded[report.Conclusion] = append(concluded[report.Conclusion], r.subject.Release.Name+" "+r.subject.Release.Version)
		}
		for conclusion, names := range concluded { // a line each: a benchmark shows ten
			if conclusion == check.Success {
				names = nil
			}
			b.Logf("%s: %d of %d; %s", conclusion, len(concluded[conclusion]), len(releases), strings.Join(names, ", "))
		}
		costs.report(b)
		b.ReportMetric(float64(quantile(each(costs.ours, func(c cost) int64 { return c.received }), 0.99))/1e3, "p99-kB")
		b.ReportMetric(float64(quantile(each(costs.ours, func(c cost) int64 { return c.requests }), 0.99)), "p99-requests")
	}
}

// readCorpus returns one release of each crate whose commit is there.
func readCorpus(b *testing.B, corpus string) (releases []looked) {
	b.Helper()
	f, err := os.Open(filepath.Join(corpus, "index.tsv"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma, r.LazyQuotes = '\t', true
	rows, err := r.ReadAll()
	if err != nil {
		b.Fatal(err)
	}
	seen := map[string]bool{}
	for _, row := range rows[1:] {
		column := func(name string) string { return row[slices.Index(rows[0], name)] }
		whole := column("present") == "yes" && column("files_missing") == "0" && column("orig") != "dropped"
		if !whole || seen[column("name")] {
			continue
		}
		seen[column("name")] = true
		archive, err := crate.ReadDir(column("published"), crate.DefaultLimits)
		if err != nil {
			b.Logf("%s is not read: %v", column("published"), err)
			continue
		}
		repository, err := filepath.Rel(filepath.Join(corpus, "git"), column("git"))
		if err != nil {
			b.Fatal(err)
		}
		releases = append(releases, looked{
			subject:    &check.Subject{Release: crate.Release{Name: column("name"), Version: column("version")}, Archive: archive},
			repository: filepath.ToSlash(repository), commit: column("commit"),
			path: strings.Trim(column("path_in_vcs"), "?"), folder: column("published"),
		})
	}
	return releases
}

// BenchmarkCompare hashes and compares an unpacked crate with a snapshot at
// hand: no network, but the detection of SHA-1 collisions.
func BenchmarkCompare(b *testing.B) {
	root := b.TempDir()
	var text strings.Builder
	text.WriteString("-- Cargo.toml --\n[package]\nname = \"demo\"\nversion = \"1.0.0\"\n")
	line := "pub const WORDS: &[&str] = &[\"some\", \"source\", \"that\", \"is\", \"long\", \"enough\"];\n"
	for i := range 1000 {
		fmt.Fprintf(&text, "-- src/f%04d.rs --\n// %[1]d\n%s", i, strings.Repeat(line, 400))
	}
	repository := cratetest.MustRepository(b, filepath.Join(root, "o", "large"), text.String())
	r := looked{commit: repository.Head(), folder: repository.Dir}
	archive, err := crate.Read(packFolder(b, r), crate.Release{Name: "c007", Version: "1.0.0"}, crate.DefaultLimits)
	if err != nil {
		b.Fatal(err)
	}
	bench := newProvenanceBench(b, root)
	id, err := gitobj.ParseID(r.commit)
	if err != nil {
		b.Fatal(err)
	}
	snapshot, err := bench.source(b).Snapshot(b.Context(), bench.url+"/o/large", id)
	if err != nil {
		b.Fatal(err)
	}
	size := int64(0)
	for _, f := range archive.Files {
		size += int64(len(f.Data))
	}
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		result, err := provenance.Compare(b.Context(), provenance.Input{Name: "demo", Archive: archive, Snapshot: snapshot})
		if err != nil {
			b.Fatal(err)
		}
		if got := result.Files[len(result.Files)-1].Kind; got != provenance.Exact {
			b.Fatalf("the last file is %s, want %s", got, provenance.Exact)
		}
	}
}

// A provenanceBench is a server of repositories in a process of its own, so that
// what it takes is not counted as the client's.
type provenanceBench struct{ url string }

// benchRoot is the folder that this program serves instead of testing anything.
const benchRoot = "CRATEFENCE_BENCH_ROOT"

func TestMain(m *testing.M) {
	if root := os.Getenv(benchRoot); root != "" {
		if err := serveBench(root); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// serveBench serves until standard input ends, which it does with the parent.
// GET /passed tells how many requests there were and how many bytes they got.
func serveBench(root string) error {
	git, err := cratetest.GitServer(root)
	if err != nil {
		return err
	}
	var requests, sent atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("GET /passed", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, requests.Load(), sent.Load())
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		git.ServeHTTP(countedWriter{w, &sent}, r)
	})
	server, err := cratetest.Serve("127.0.0.1:0", mux)
	if err != nil {
		return err
	}
	fmt.Println(server.URL)
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, server.Close())
}

type countedWriter struct {
	http.ResponseWriter
	sent *atomic.Int64
}

func (w countedWriter) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	w.sent.Add(int64(n))
	return n, err
}

func newProvenanceBench(b *testing.B, root string) *provenanceBench {
	b.Helper()
	if _, err := cratetest.GitServer(root); err != nil {
		b.Skip(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), benchRoot+"="+root)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			b.Error(err)
		}
	})
	bench := &provenanceBench{}
	if _, err := fmt.Fscanln(stdout, &bench.url); err != nil {
		b.Fatal(err)
	}
	return bench
}

// passed returns what the server has answered so far.
func (p *provenanceBench) passed(b *testing.B) (requests, sent int64) {
	b.Helper()
	resp, err := http.Get(p.url + "/passed")
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body) // so that the connection is kept, and its end costs no look
	if err != nil {
		b.Fatal(err)
	}
	if _, err := fmt.Sscanln(string(body), &requests, &sent); err != nil {
		b.Fatal(err)
	}
	return requests, sent
}

// source knows nothing yet, reaches the bench alone, and need not be polite.
func (p *provenanceBench) source(b *testing.B) *gitsource.Source {
	b.Helper()
	e, err := egress.New(egress.Config{
		Exceptions: []egress.Exception{{Purpose: egress.Git, Host: strings.TrimPrefix(p.url, "http://")}},
		Proxy:      &url.URL{Scheme: "http", Host: "127.0.0.1:1"}, // nobody is there: submodules elsewhere stay out
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { e.Client(egress.Git, egress.Limits{}).CloseIdleConnections() })
	lim := gitsource.DefaultLimits
	lim.Manners = gitsource.Manners{}
	return gitsource.New(e, lim)
}

// looked is a release to look at.
type looked struct {
	subject    *check.Subject
	repository string // below the bench's URL
	commit     string
	path       string // of the package in the repository
	folder     string // that holds the crate's files
}

// files are the paths of the regular files in the folder, but git's own.
func (r looked) files(b *testing.B) (names []string) {
	b.Helper()
	err := fs.WalkDir(os.DirFS(r.folder), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == ".git":
			return fs.SkipDir
		case d.Type().IsRegular():
			names = append(names, filepath.FromSlash(name))
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return names
}

// A cost is what one look took.
type cost struct {
	wall, cpu          time.Duration // cpu is the client's
	requests, received int64
}

// measure does something and tells what it took; cpu is the client's CPU time so
// far.
func (p *provenanceBench) measure(b *testing.B, cpu func() time.Duration, do func()) cost {
	b.Helper()
	requests, received := p.passed(b)
	busy, start := cpu(), time.Now()
	do()
	c := cost{wall: time.Since(start), cpu: cpu() - busy}
	c.requests, c.received = p.passed(b)
	c.requests, c.received = c.requests-requests, c.received-received
	return c
}

// ours runs the check.
func (p *provenanceBench) ours(b *testing.B, r looked) (report check.Report, c cost) {
	b.Helper()
	s := *r.subject
	s.Repository = p.url + "/" + r.repository
	s.Source = p.source(b)
	c = p.measure(b, ownCPU, func() {
		var err error
		if report, err = Provenance.Run(b.Context(), &s); err != nil {
			b.Fatal(err)
		}
	})
	return report, c
}

func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// git fetches the same trees, lists the package's and hashes the crate's files.
func (p *provenanceBench) git(b *testing.B, r looked) cost {
	b.Helper()
	dir, err := os.MkdirTemp("", "bench-git-")
	if err != nil {
		b.Fatal(err)
	}
	defer os.RemoveAll(dir)
	var busy time.Duration
	git := func(stdin string, args ...string) {
		busy += runGit(b, dir, stdin, args...)
	}
	git("", "init", "-q", "--bare")
	busy = 0
	var names strings.Builder
	for _, name := range r.files(b) {
		fmt.Fprintln(&names, filepath.Join(r.folder, name))
	}
	return p.measure(b, func() time.Duration { return busy }, func() {
		git("", "fetch", "-q", "--depth=1", "--filter=blob:none", p.url+"/"+r.repository, r.commit)
		git("", "ls-tree", "-r", r.commit+":"+r.path)
		git(names.String(), "hash-object", "--no-filters", "--stdin-paths")
	})
}

// runGit returns the CPU time that git took, its helpers included.
func runGit(b *testing.B, dir, stdin string, args ...string) time.Duration {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), "git", append([]string{"-C", dir, "-c", "gc.auto=0", "-c", "maintenance.auto=false"}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0")
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), io.Discard, &stderr
	if err := cmd.Run(); err != nil {
		b.Fatalf("git %s: %v: %s", args[0], err, stderr.Bytes())
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

// clone returns what a full clone receives.
func (p *provenanceBench) clone(b *testing.B, repository string) int64 {
	b.Helper()
	dir := b.TempDir()
	return p.measure(b, func() time.Duration { return 0 }, func() {
		runGit(b, dir, "", "clone", "-q", "--bare", p.url+"/"+repository, "all")
	}).received
}

// comparedCosts are those of the same looks by us and by git.
type comparedCosts struct{ ours, git []cost }

func (c *comparedCosts) add(b *testing.B, bench *provenanceBench, r looked) check.Report {
	b.Helper()
	report, ours := bench.ours(b, r)
	c.ours = append(c.ours, ours)
	c.git = append(c.git, bench.git(b, r))
	return report
}

// report gives medians of a look, and the medians of ratios to git.
func (c *comparedCosts) report(b *testing.B) {
	ours, git := median(c.ours), median(c.git)
	var wall, cpu []float64
	for i := range c.ours {
		wall = append(wall, float64(c.ours[i].wall)/float64(c.git[i].wall))
		cpu = append(cpu, float64(c.ours[i].cpu)/float64(c.git[i].cpu))
	}
	milliseconds := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	b.ReportMetric(0, "ns/op") // of both together, which says nothing
	b.ReportMetric(milliseconds(ours.wall), "ms")
	b.ReportMetric(milliseconds(git.wall), "git-ms")
	b.ReportMetric(middle(wall), "ms/git")
	b.ReportMetric(milliseconds(ours.cpu), "cpu-ms")
	b.ReportMetric(milliseconds(git.cpu), "git-cpu-ms")
	b.ReportMetric(middle(cpu), "cpu/git")
	b.ReportMetric(float64(ours.received)/1e3, "kB")
	b.ReportMetric(float64(git.received)/1e3, "git-kB")
	b.ReportMetric(float64(ours.requests), "requests")
	b.ReportMetric(float64(git.requests), "git-requests")
}

// median is the median of each part.
func median(costs []cost) cost {
	return cost{
		wall:     middle(each(costs, func(c cost) time.Duration { return c.wall })),
		cpu:      middle(each(costs, func(c cost) time.Duration { return c.cpu })),
		requests: middle(each(costs, func(c cost) int64 { return c.requests })),
		received: middle(each(costs, func(c cost) int64 { return c.received })),
	}
}

func each[T any](costs []cost, part func(cost) T) []T {
	parts := make([]T, len(costs))
	for i, c := range costs {
		parts[i] = part(c)
	}
	return parts
}

func middle[T int64 | float64 | time.Duration](values []T) T { return quantile(values, 0.5) }

// quantile is the value below which the share of values lies.
func quantile[T int64 | float64 | time.Duration](values []T, share float64) T {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(int(share*float64(len(sorted))), len(sorted)-1)]
}
