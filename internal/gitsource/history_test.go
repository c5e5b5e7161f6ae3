package gitsource

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/gitobj"
)

// forked is a repository whose main is one-two-three, with tags of either kind;
// imposter stands on three and is only proposed; side branches off one.
type forked struct {
	*forge
	dir                             string
	one, two, three, side, imposter gitobj.ID
}

func newForked(t testing.TB, config ...string) *forked {
	f := &forked{forge: newForge(t, config...)}
	f.dir = f.forge.dir + "/repo"
	change := func(text string) gitobj.ID { return f.commit(t, "repo", map[string]string{"a": text}) }
	f.one = change("1\n")
	runGit(t, f.dir, "branch", "-q", "-M", "main")
	runGit(t, f.dir, "tag", "v1")
	f.two = change("2\n")
	runGit(t, f.dir, "tag", "-a", "-m", "second", "v2")
	f.three = change("3\n")
	runGit(t, f.dir, "checkout", "-q", "--detach")
	f.imposter = change("evil\n")
	runGit(t, f.dir, "update-ref", "refs/pull/1/head", "HEAD")
	runGit(t, f.dir, "checkout", "-q", "-b", "side", f.one.String())
	f.side = change("side\n")
	runGit(t, f.dir, "checkout", "-q", "main")
	return f
}

func TestRefs(t *testing.T) {
	f := newForked(t)
	tag := mustID(t, runGit(t, f.dir, "rev-parse", "v2"))
	server, source := serve(t, DefaultLimits, f.handler)
	tests := map[string][]check.Ref{
		"HEAD":        {{Name: "HEAD", Commit: f.three, Target: "refs/heads/main"}},
		"refs/heads/": {{Name: "refs/heads/main", Commit: f.three}, {Name: "refs/heads/side", Commit: f.side}},
		"refs/tags/":  {{Name: "refs/tags/v1", Commit: f.one}, {Name: "refs/tags/v2", Commit: f.two, Tag: tag}},
		"refs/pull/":  {{Name: "refs/pull/1/head", Commit: f.imposter}},
		"refs/none/":  nil,
	}
	for prefix, want := range tests {
		got, err := source.Refs(t.Context(), server.URL+"/repo", prefix)
		if err != nil {
			t.Errorf("%s: %v", prefix, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", prefix, diff)
		}
	}
}

// Whether a commit is part of a history, with and without a server that can
// leave out what is not a commit.
func TestReachable(t *testing.T) {
	for _, config := range []string{"uploadpack.allowFilter=true", "uploadpack.allowFilter=false", "uploadpackfilter.tree.allow=false"} {
		t.Run(config, func(t *testing.T) {
			f := newForked(t, "uploadpack.allowFilter=true", config)
			server, source := serve(t, DefaultLimits, f.handler)
			tips := func(all ...gitobj.ID) []gitobj.ID { return all }
			tests := []struct {
				name string
				walk check.Walk
				want []gitobj.ID
			}{
				{"a parent", check.Walk{Commit: f.two, Tips: tips(f.three)}, tips(f.three)},
				{"further back", check.Walk{Commit: f.one, Tips: tips(f.three, f.side)}, tips(f.three, f.side)},
				{"itself", check.Walk{Commit: f.three, Tips: tips(f.three)}, tips(f.three)},
				{"one of two", check.Walk{Commit: f.two, Tips: tips(f.side, f.three)}, tips(f.three)},
				{"a child", check.Walk{Commit: f.three, Tips: tips(f.two)}, nil},
				{"a sibling", check.Walk{Commit: f.two, Tips: tips(f.side)}, nil},
				// What the server calls "ready", and is not.
				{"a child that was not merged", check.Walk{Commit: f.imposter, Tips: tips(f.three, f.side)}, nil},
				{"no tips", check.Walk{Commit: f.three}, nil},
				{"not there", check.Walk{Commit: gitobj.ID{1}, Tips: tips(f.three)}, nil},
				{"far enough", check.Walk{Commit: f.one, Tips: tips(f.three), Depth: 2}, tips(f.three)},
				{"not far enough", check.Walk{Commit: f.one, Tips: tips(f.three), Depth: 1}, nil},
				{"beside what is known", check.Walk{Commit: f.side, Tips: tips(f.side, f.imposter), Without: tips(f.three)}, tips(f.side)},
			}
			for _, test := range tests {
				got, err := source.Reachable(t.Context(), server.URL+"/repo", test.walk)
				if err != nil {
					t.Errorf("%s: %v", test.name, err)
				}
				if !slices.Equal(got, test.want) {
					t.Errorf("%s: %v, want %v", test.name, got, test.want)
				}
			}
		})
	}
}

// A server says in one line that a commit is outside; that it is inside takes
// proof. One that does not listen is not believed.
func TestReachableCost(t *testing.T) {
	f := newForked(t, "uploadpack.allowFilter=true")
	tests := []struct {
		name   string
		commit gitobj.ID
		deaf   bool // to what we have
		want   int  // requests
	}{
		{"outside", f.imposter, false, 2},
		{"inside", f.one, false, 3},
		{"outside, of a server that does not listen", f.imposter, true, 3},
		{"inside, of a server that does not listen", f.one, true, 3},
	}
	for _, test := range tests {
		m := &meter{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if test.deaf {
				body = regexp.MustCompile(`0032have [0-9a-f]{40}\n`).ReplaceAll(body, nil)
			}
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			f.handler.ServeHTTP(w, r)
		})}
		server, source := serve(t, DefaultLimits, m)
		from, err := source.Reachable(t.Context(), server.URL+"/repo", check.Walk{Commit: test.commit, Tips: []gitobj.ID{f.three}})
		if inside := test.commit == f.one; err != nil || (len(from) == 1) != inside {
			t.Errorf("%s: %v, %v", test.name, from, err)
		}
		if m.requests != test.want {
			t.Errorf("%s: %d requests, want %d", test.name, m.requests, test.want)
		}
	}
}

func TestHistory(t *testing.T) {
	f := newForked(t, "uploadpack.allowFilter=true")
	server, source := serve(t, DefaultLimits, f.handler)
	for most, want := range map[int][]gitobj.ID{1: {f.three}, 2: {f.three, f.two}, 100: {f.three, f.two, f.one}} {
		line, err := source.History(t.Context(), server.URL+"/repo", f.three, most)
		if err != nil {
			t.Fatal(err)
		}
		var got []gitobj.ID
		for _, c := range line {
			got = append(got, c.ID)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d commits (-want +got):\n%s", most, diff)
		}
	}
}

// A commit that the server makes up in between proves nothing: it is not what the
// tip's id stands for.
func TestReachableForged(t *testing.T) {
	commits := map[gitobj.ID]*gitobj.Commit{
		{1}: {ID: gitobj.ID{1}, Parents: []gitobj.ID{{2}}},
		{9}: {ID: gitobj.ID{9}, Parents: []gitobj.ID{{3}}},
	}
	if got := reaching(commits, gitobj.ID{3}, []gitobj.ID{{1}}); len(got) > 0 {
		t.Errorf("%v is reached from %v", gitobj.ID{3}, got)
	}
}

func TestBadRefs(t *testing.T) {
	const id = "0100000000000000000000000000000000000000"
	tests := []struct {
		name, answer string
		want         error // nil: read
	}{
		{"none", "0000", nil},
		{"one", lines(id+" refs/heads/main\n") + "0000", nil},
		{"attributes of later gits", lines(id+" refs/heads/main new:thing\n") + "0000", nil},
		{"not UTF-8", lines(id+" refs/heads/\xff\n") + "0000", nil},
		{"cut short", lines(id + " refs/heads/main\n"), check.ErrRepositoryProtocol},
		{"no name", lines(id+"\n") + "0000", check.ErrRepositoryProtocol},
		{"no id", lines("unborn HEAD\n") + "0000", check.ErrRepositoryProtocol},
		{"peeled to nothing", lines(id+" refs/tags/v1 peeled:\n") + "0000", check.ErrRepositoryProtocol},
		{"not below refs", lines(id+" ../../etc/passwd\n") + "0000", check.ErrRepositoryProtocol},
		{"control characters", lines(id+" refs/heads/a\x1b[2J\n") + "0000", check.ErrRepositoryProtocol},
		{"a target of another kind", lines(id+" HEAD symref-target:javascript:alert(1)\n") + "0000", check.ErrRepositoryProtocol},
		{"an error", lines("ERR no\n"), check.ErrRepositoryProtocol},
		{"a section", "0001" + "0000", check.ErrRepositoryProtocol},
		{"too many", strings.Repeat(lines(id+" refs/a\n"), maxRefs+1) + "0000", check.ErrRepositoryTooLarge},
		{"too long", strings.Repeat(lines(id+" refs/"+strings.Repeat("a", 4000)+"\n"), maxList/4000) + "0000", check.ErrRepositoryTooLarge},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server, source := serve(t, DefaultLimits, scripted{refs: goodRefs, refsType: refsType, pack: test.answer, packType: packType})
			refs, err := source.Refs(t.Context(), server.URL+"/repo", "refs/")
			if !errors.Is(err, test.want) {
				t.Errorf("got %v, %v, want %v", refs, err, test.want)
			}
		})
	}
}

// A server may answer with more refs than it was asked for.
func TestRefsUnasked(t *testing.T) {
	const id = "0100000000000000000000000000000000000000"
	answer := lines(id+" HEAD\n", id+" refs/heads/main\n", id+" refs/pull/1/head\n") + "0000"
	server, source := serve(t, DefaultLimits, scripted{refs: goodRefs, refsType: refsType, pack: answer, packType: packType})
	refs, err := source.Refs(t.Context(), server.URL+"/repo", "HEAD", "refs/heads/")
	if err != nil || len(refs) != 2 {
		t.Errorf("got %v, %v, want the two asked for", refs, err)
	}
	if refs, err := source.Refs(t.Context(), server.URL+"/repo"); err != nil || len(refs) != 0 {
		t.Errorf("got %v, %v, where nothing was asked for", refs, err)
	}
	if refs, err := source.Refs(t.Context(), server.URL+"/repo", "refs/heads/\nref-prefix refs/"); err == nil {
		t.Errorf("a prefix of two lines lists %v", refs)
	}
}

// A history over the limit is said to be so; it is not read as far as it goes.
func TestHistoryTooLarge(t *testing.T) {
	f := newForked(t, "uploadpack.allowFilter=true")
	limits := DefaultLimits
	limits.Bytes = 250
	server, source := serve(t, limits, f.handler)
	if from, err := source.Reachable(t.Context(), server.URL+"/repo", check.Walk{Commit: f.one, Tips: []gitobj.ID{f.three}}); !errors.Is(err, check.ErrRepositoryTooLarge) {
		t.Errorf("got %v, %v, want %v", from, err, check.ErrRepositoryTooLarge)
	}
}
