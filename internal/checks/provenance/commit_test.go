package provenance

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/gitobj"
)

// releases is a history of one branch whose commits hold a package. It is made
// of texts in the form of fixtures, by letter.
type releases struct {
	history
	commits map[gitobj.ID]*memory
	opened  string // letters, in order
}

// newReleases makes the history of commits a, b, c and so on, a day apart.
func newReleases(t *testing.T, refs []string, texts ...string) *releases {
	t.Helper()
	r := &releases{history: history{parents: map[string]string{}, refs: refs}, commits: map[gitobj.ID]*memory{}}
	for i, text := range texts {
		name := string(rune('a' + i))
		r.commits[letter(name)] = newFixture(t, "", text).snapshot
		if i > 0 {
			r.parents[name] = string(rune('a' + i - 1))
		}
	}
	return r
}

// day is when the commit of that letter was made.
func day(name string) time.Time { return time.Date(2026, 1, 1+int(name[0]-'a'), 0, 0, 0, 0, time.UTC) }

func (r *releases) Snapshot(_ context.Context, _ string, commit gitobj.ID) (check.Snapshot, error) {
	m := r.commits[commit]
	if m == nil {
		return nil, fmt.Errorf("open: %w", check.ErrCommitMissing)
	}
	r.opened += string(commit[:1])
	return m, nil
}

func (r *releases) History(_ context.Context, _ string, tip gitobj.ID, most int) (line []*gitobj.Commit, err error) {
	for at := string(tip[:1]); at != "" && len(line) < most; at = r.parents[at] {
		line = append(line, &gitobj.Commit{ID: letter(at), Committed: day(at)})
	}
	return line, nil
}

// demo is a package of a version with some code.
func demo(version, code string) string {
	return "-- Cargo.toml --\n[package]\nname = \"demo\"\nversion = \"" + version + "\"\n-- src/lib.rs --\n" + code + "\n"
}

const inherited = `-- Cargo.toml --
[workspace]
members = ["demo"]
[workspace.package]
version = "1.0.0"
-- demo/Cargo.toml --
[package]
name = "demo"
version.workspace = true
`

func TestFindCommit(t *testing.T) {
	history := []string{
		demo("0.9.0", "old"), demo("1.0.0", "bumped"), demo("1.0.0", "fixed"), demo("1.0.0", "more"), demo("1.1.0", "new"),
	}
	const head = "HEAD e refs/heads/main"
	tests := []struct {
		name      string
		refs      []string
		commits   []string // history where nil
		code      string   // of the crate's src/lib.rs
		query     CommitQuery
		want      string // ORIGIN COMMIT REF, absent commits
		wantError error
	}{
		{name: "recorded", refs: []string{head}, query: CommitQuery{Recorded: letter("b")}, want: "recorded b "},
		// Who attests it saw the commit; the crate's own note may be anybody's.
		{name: "attested", refs: []string{head}, query: CommitQuery{Recorded: letter("b"), Attested: letter("c")}, want: "attested c "},
		{name: "attested, not there", refs: []string{head}, query: CommitQuery{Recorded: letter("b"), Attested: letter("z")}, want: "recorded b  absent z"},
		{
			name: "recorded, not there, and a tag", refs: []string{head, "refs/tags/v1.0.0 c"},
			query: CommitQuery{Recorded: letter("z")}, want: "tag c refs/tags/v1.0.0 absent z",
		},
		// A named commit that may be pushed any moment is not replaced by a guess.
		{name: "recorded, not there", refs: []string{head}, query: CommitQuery{Recorded: letter("z")}, wantError: check.ErrCommitMissing},
		{name: "both not there", refs: []string{head}, query: CommitQuery{Recorded: letter("z"), Attested: letter("z")}, wantError: check.ErrCommitMissing},
		{name: "a tag", refs: []string{head, "refs/tags/v1.0.0 d"}, want: "tag d refs/tags/v1.0.0"},
		{name: "a tag in the package's name", refs: []string{head, "refs/tags/demo-1.0.0 d"}, want: "tag d refs/tags/demo-1.0.0"},
		{name: "a version of the workspace", refs: []string{"HEAD a refs/heads/main", "refs/tags/v1.0.0 a"}, commits: []string{inherited}, want: "tag a refs/tags/v1.0.0"},
		// The tag of another member of the workspace.
		{name: "a tag of another version", refs: []string{head, "refs/tags/v1.0.0 e"}, code: "bumped", want: "history b refs/heads/main"},
		{name: "a tag of no commit", refs: []string{head, "refs/tags/v1.0.0 z"}, code: "bumped", want: "history b refs/heads/main"},
		{name: "the likest of two tags", refs: []string{head, "refs/tags/demo-v1.0.0 b", "refs/tags/v1.0.0 c"}, code: "fixed", want: "tag c refs/tags/v1.0.0"},
		{name: "the first of two tags as like", refs: []string{head, "refs/tags/demo-v1.0.0 b", "refs/tags/v1.0.0 c"}, want: "tag b refs/tags/demo-v1.0.0"},
		{name: "the last with the version", refs: []string{head}, code: "more", want: "history d refs/heads/main"},
		{name: "the last before it was published", refs: []string{head}, code: "fixed", query: CommitQuery{PublishedAt: day("c")}, want: "history c refs/heads/main"},
		{name: "the first of all", refs: []string{head}, commits: []string{demo("1.0.0", "a"), demo("1.0.0", "b"), demo("1.1.0", ""), demo("1.2.0", ""), demo("1.3.0", "")}, code: "a", want: "history a refs/heads/main"},
		{name: "published before all", refs: []string{head}, query: CommitQuery{PublishedAt: day("a").AddDate(-1, 0, 0)}, wantError: ErrNoCommit},
		{name: "a version that never was", refs: []string{head}, commits: []string{demo("0.9.0", ""), demo("1.1.0", ""), demo("1.2.0", ""), demo("1.3.0", ""), demo("1.4.0", "")}, wantError: ErrNoCommit},
		{name: "a package that never was", refs: []string{"HEAD a refs/heads/main"}, commits: []string{"-- README --\n"}, wantError: ErrNoCommit},
		{name: "an empty repository", wantError: ErrNoCommit},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.commits == nil {
				test.commits = history
			}
			r := newReleases(t, test.refs, test.commits...)
			q := test.query
			q.Source, q.Name, q.Version = r, "demo", "1.0.0"
			q.Archive = newFixture(t, "", demo("1.0.0", test.code)).archive
			got, err := FindCommit(t.Context(), q)
			if !errors.Is(err, test.wantError) {
				t.Fatalf("got %+v, %v, want %v", got, err, test.wantError)
			}
			if err != nil {
				return
			}
			told := fmt.Sprintf("%s ? %s", got.Origin, got.Ref)
			for id, m := range r.commits {
				if m == got.Snapshot {
					told = fmt.Sprintf("%s %s %s", got.Origin, id[:1], got.Ref)
				}
			}
			for _, id := range got.Absent {
				told += fmt.Sprintf(" absent %s", id[:1])
			}
			if told != test.want {
				t.Errorf("got %q, want %q", told, test.want)
			}
		})
	}
}

// A search is by halves: of a thousand commits a few are opened.
func TestFindCommitProbes(t *testing.T) {
	r := newReleases(t, []string{"HEAD z refs/heads/main"})
	old, now := newFixture(t, "", demo("0.9.0", "")), newFixture(t, "", demo("1.0.0", ""))
	long := &longHistory{releases: r, old: old.snapshot, now: now.snapshot}
	got, err := FindCommit(t.Context(), CommitQuery{Source: long, Name: "demo", Version: "1.0.0", Archive: now.archive})
	if err != nil || got.Snapshot != now.snapshot {
		t.Errorf("got %+v, %v", got, err)
	}
	if long.asked > 24 {
		t.Errorf("%d commits opened of %d", long.asked, maxHistory)
	}
}

// A longHistory got its version some hundred commits ago.
type longHistory struct {
	*releases
	old, now *memory
	asked    int
}

func (l *longHistory) History(_ context.Context, _ string, _ gitobj.ID, most int) (line []*gitobj.Commit, err error) {
	for i := range most {
		line = append(line, &gitobj.Commit{ID: gitobj.ID{byte(i >> 8), byte(i), 1}})
	}
	return line, nil
}

func (l *longHistory) Snapshot(_ context.Context, _ string, commit gitobj.ID) (check.Snapshot, error) {
	l.asked++
	if int(commit[0])<<8|int(commit[1]) < 333 {
		return l.now, nil
	}
	return l.old, nil
}
