package provenance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/gitobj"
)

// A submoduleSource has repositories by URL, at every commit. Their default
// branches lead to all commits, but for those of the URLs in forked.
type submoduleSource struct {
	check.Source
	byURL  map[string]*memory
	forked map[string]error // what looking for a commit ends with; nil for nothing found
}

func (s submoduleSource) Refs(_ context.Context, _ string, prefixes ...string) ([]check.Ref, error) {
	if slices.Contains(prefixes, "HEAD") {
		return []check.Ref{{Name: "HEAD", Target: "refs/heads/main"}}, nil
	}
	return nil, nil
}

func (s submoduleSource) Reachable(_ context.Context, url string, w check.Walk) ([]gitobj.ID, error) {
	if err, ok := s.forked[url]; ok {
		return nil, err
	}
	return w.Tips, nil
}

func (s submoduleSource) Snapshot(_ context.Context, url string, _ gitobj.ID) (check.Snapshot, error) {
	if m := s.byURL[url]; m != nil {
		return m, nil
	}
	return nil, check.ErrRepositoryMissing
}

// Files that stand in a submodule are compared with the commit it is pinned to.
func TestSubmoduleFiles(t *testing.T) {
	f := newFixture(t, "", demoManifest+`
-- .gitmodules --
[submodule "c"]
	path = vendor/c
	url = ../c.git
[submodule "gone"]
	path = vendor/gone
	url = https://example.org/o/gone
-- src/lib.rs --
-- vendor/c submodule --
-- vendor/gone submodule --
-- vendor/unnamed submodule --
-- link.h -> vendor/c/include/c.h --
-- crate/vendor/c/c.c --
int c;
-- crate/vendor/c/LICENSE --
free
-- crate/vendor/c/windows.c --
int w;
-- crate/vendor/c/mixed --
a
b
-- crate/vendor/c/list --
a
-- crate/vendor/c/text --
a
-- crate/vendor/c/evil.c --
int evil;
-- crate/vendor/c/more.c --
int more;
-- crate/vendor/c/nested/n.c --
int n;
-- crate/vendor/c/up --
int up;
-- crate/link.h --
int h;
-- crate/vendor/gone/x.c --
int x;
-- crate/vendor/unnamed/x.c --
int x;
`)
	below := newFixture(t, "nowhere", `
-- c.c --
int c;
-- legal/LICENSE --
free
-- LICENSE -> legal/LICENSE --
-- windows.c --
int w;
-- .gitattributes --
text text
-- mixed --
a
b
-- list --
a
-- text --
a
-- evil.c --
int good;
-- include/c.h --
int h;
-- nested submodule --
-- up -> ../../src/lib.rs --
`)
	f = f.lay(map[string]string{
		"vendor/c/windows.c": "int w;\r\n", "vendor/c/mixed": "a\r\nb\n", "vendor/c/list": "a\r\n", "vendor/c/text": "a\r\n",
	})
	at := ""
	r, err := Compare(t.Context(), Input{
		Name: "demo", Archive: f.archive, Snapshot: f.snapshot, Path: &at,
		Source: submoduleSource{byURL: map[string]*memory{"https://example.org/o/c.git": below.snapshot}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `link.h submodule at vendor/c/include/c.h
vendor/c/LICENSE submodule at vendor/c/legal/LICENSE
vendor/c/c.c submodule at vendor/c/c.c
vendor/c/evil.c modified source at vendor/c/evil.c lines 1-1
vendor/c/list submodule source at vendor/c/list ends windows
vendor/c/mixed submodule source at vendor/c/mixed ends mixed
vendor/c/more.c unknown source
vendor/c/nested/n.c uncompared at vendor/c/nested
vendor/c/text submodule at vendor/c/text
vendor/c/up uncompared at vendor/c
vendor/c/windows.c submodule at vendor/c/windows.c
vendor/gone/x.c uncompared at vendor/gone
vendor/unnamed/x.c uncompared at vendor/unnamed
`
	if diff := cmp.Diff(want, told(r)); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	if len(r.Submodules) != 4 || r.Submodules[0].Err != nil || r.Submodules[0].URL != "https://example.org/o/r" ||
		!errors.Is(r.Submodules[1].Err, ErrNoSubmodule) || !errors.Is(r.Submodules[2].Err, check.ErrRepositoryMissing) || !errors.Is(r.Submodules[3].Err, ErrNoSubmodule) {
		t.Errorf("submodules %+v", r.Submodules)
	}
}

// nestedFixture is a crate with a file in each of some submodules that stand in one
// another, and their repositories by URL. The outermost is vendor/d1.
func nestedFixture(t *testing.T, depth int) (fixture, map[string]*memory) {
	t.Helper()
	modules := func(at, name string) string {
		return fmt.Sprintf("-- .gitmodules --\n[submodule \"m\"]\n\tpath = %s\n\turl = ../%s.git\n-- %s submodule --\n", at, name, at)
	}
	var crate strings.Builder
	byURL := map[string]*memory{}
	folder := "vendor/d1"
	for i := 1; i <= depth; i++ {
		name := fmt.Sprintf("d%d", i)
		fmt.Fprintf(&crate, "-- crate/%s/%s.c --\nint d;\n", folder, name)
		text := fmt.Sprintf("-- %s.c --\nint d;\n", name)
		if next := fmt.Sprintf("d%d", i+1); i < depth {
			text += modules(next, next)
			folder += "/" + next
		}
		byURL["https://example.org/o/"+name+".git"] = newFixture(t, "nowhere", text).snapshot
	}
	return newFixture(t, "", demoManifest+modules("vendor/d1", "d1")+crate.String()), byURL
}

// Submodules have submodules, which are followed some way.
func TestSubmodulesNested(t *testing.T) {
	f, byURL := nestedFixture(t, maxSubmoduleDepth+1)
	at := ""
	r, err := Compare(t.Context(), Input{Name: "demo", Archive: f.archive, Snapshot: f.snapshot, Path: &at, Source: submoduleSource{byURL: byURL}})
	if err != nil {
		t.Fatal(err)
	}
	want := `vendor/d1/d1.c submodule at vendor/d1/d1.c
vendor/d1/d2/d2.c submodule at vendor/d1/d2/d2.c
vendor/d1/d2/d3/d3.c submodule at vendor/d1/d2/d3/d3.c
vendor/d1/d2/d3/d4/d4.c uncompared at vendor/d1/d2/d3/d4
`
	if diff := cmp.Diff(want, told(r)); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	last := r.Submodules[len(r.Submodules)-1]
	if last.Path != "vendor/d1/d2/d3/d4" || !errors.Is(last.Err, ErrNoSubmodule) || last.Reach != nil {
		t.Errorf("the innermost is %+v", last)
	}
}

// A repository has as many submodules as it likes; not all are fetched.
func TestSubmodulesMany(t *testing.T) {
	var text strings.Builder
	text.WriteString(demoManifest + "-- .gitmodules --\n")
	for i := range maxSubmodules + 2 {
		fmt.Fprintf(&text, "[submodule \"m%d\"]\n\tpath = m%d\n\turl = ../m.git\n", i, i)
	}
	for i := range maxSubmodules + 2 {
		fmt.Fprintf(&text, "-- m%d submodule --\n-- crate/m%d/x.c --\nint x;\n", i, i)
	}
	f := newFixture(t, "", text.String())
	below := newFixture(t, "nowhere", "-- x.c --\nint x;\n").snapshot
	at := ""
	r, err := Compare(t.Context(), Input{
		Name: "demo", Archive: f.archive, Snapshot: f.snapshot, Path: &at,
		Source: submoduleSource{byURL: map[string]*memory{"https://example.org/o/m.git": below}},
	})
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[Kind]int{}
	for _, file := range r.Files {
		kinds[file.Kind]++
	}
	if kinds[Submodule] != maxSubmodules || kinds[Uncompared] != 2 {
		t.Errorf("kinds %v", kinds)
	}
}

// What a submodule is pinned to has to be its own repository's, too: a forge hands
// out the commits of every fork.
func TestSubmodulesReached(t *testing.T) {
	f, byURL := nestedFixture(t, 1)
	broken := errors.New("broken")
	const url = "https://example.org/o/d1.git"
	tests := []struct {
		name   string
		forked map[string]error
		want   Grade
		err    error
	}{
		{"in the default branch", nil, GradeDefaultBranch, nil},
		{"in no branch", map[string]error{url: nil}, GradeUnreachable, nil},
		{"not known", map[string]error{url: broken}, "", broken},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			at := ""
			r, err := Compare(t.Context(), Input{
				Name: "demo", Archive: f.archive, Snapshot: f.snapshot, Path: &at, Source: submoduleSource{byURL: byURL, forked: test.forked},
			})
			if err != nil {
				t.Fatal(err)
			}
			link := r.Submodules[0]
			if link.Err != nil || !errors.Is(link.ReachErr, test.err) {
				t.Errorf("errors %v, %v", link.Err, link.ReachErr)
			}
			if test.err == nil && link.Reach.Grade != test.want {
				t.Errorf("graded %s, want %s", link.Reach.Grade, test.want)
			}
		})
	}
}
