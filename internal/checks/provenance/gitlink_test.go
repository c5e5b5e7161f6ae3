package provenance

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/gitobj"
)

// A submoduleSource has repositories by URL, at every commit.
type submoduleSource struct {
	check.Source
	byURL map[string]*memory
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
-- evil.c --
int good;
-- include/c.h --
int h;
-- nested submodule --
-- up -> ../../src/lib.rs --
`)
	f = f.lay(map[string]string{"vendor/c/windows.c": "int w;\r\n"})
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
vendor/c/evil.c modified source at vendor/c/evil.c
vendor/c/more.c unknown source
vendor/c/nested/n.c uncompared at vendor/c/nested
vendor/c/up uncompared at vendor/c
vendor/c/windows.c submodule at vendor/c/windows.c
vendor/gone/x.c uncompared at vendor/gone
vendor/unnamed/x.c uncompared at vendor/unnamed
`
	if diff := cmp.Diff(want, told(r)); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	if len(r.Submodules) != 3 || r.Submodules[0].Err != nil || r.Submodules[0].URL != "https://example.org/o/r" ||
		!errors.Is(r.Submodules[1].Err, check.ErrRepositoryMissing) || !errors.Is(r.Submodules[2].Err, ErrNoSubmodule) {
		t.Errorf("submodules %+v", r.Submodules)
	}
}
