package web

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/store"
)

// The page names the version that the badge is of, and says why that one.
func TestStanding(t *testing.T) {
	tests := []struct {
		path, want string
	}{
		{"/crates/arrayview/security", "Version 0.3.10: the newest stable version that is not yanked"},
		{"/crates/arrayview/0.3.9/security", "Version 0.3.9: this version is yanked"},
		{"/crates/Pointing_Out", "Version 0.1.0-alpha.2+build.5: every version of this crate is yanked; this is the newest"},
		{"/crates/fresh/versions", "Version 1.0.0-rc.1: the newest version that is not yanked; none is stable"},
	}
	h := serve(everything())
	for _, tt := range tests {
		if got := read(t, h, tt.path).Text(".head .quiet span"); got != tt.want {
			t.Errorf("GET %s says %q, want %q", tt.path, got, tt.want)
		}
	}
}

func TestTabsStayWithTheVersion(t *testing.T) {
	h := serve(everything())
	want := []string{"/crates/arrayview/0.3.9", "/crates/arrayview/versions", "/crates/arrayview/0.3.9/dependencies", "/crates/arrayview/0.3.9/security"}
	var got []string
	for _, link := range read(t, h, "/crates/arrayview/0.3.9").Links() {
		if slices.Contains(want, link) && !slices.Contains(got, link) {
			got = append(got, link)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tabs of a version (-want +got):\n%s", diff)
	}
}

func TestVersions(t *testing.T) {
	doc := read(t, serve(everything()), "/crates/quiet-crate/versions")
	rows := doc.Texts("tbody th")
	if len(rows) != 60 || rows[0] != "1.60.0 shown first" || rows[4] != "1.56.0 yanked" {
		t.Errorf("%d versions, the first %q", len(rows), rows[:min(5, len(rows))])
	}
}

func TestManyVersionsHavePages(t *testing.T) {
	f := &fake{}
	var releases []store.Release
	for n := range 250 {
		releases = append(releases, store.Release{Version: fmt.Sprintf("1.0.%d", 250-n)})
	}
	f.add("many", releases...)
	h := serve(f)
	pages := []string{"/crates/many/versions", "/crates/many/versions?page=2", "/crates/many/versions?page=3"}
	var seen []string
	for i, path := range pages {
		doc := read(t, h, path)
		seen = append(seen, doc.Texts("tbody th a")...)
		older := ""
		if i+1 < len(pages) {
			older = pages[i+1]
		}
		if got := doc.Attr("a[rel=next]", "href"); got != older {
			t.Errorf("GET %s leads on to %q, want %q", path, got, older)
		}
	}
	if len(seen) != 250 || seen[249] != "1.0.1" {
		t.Errorf("the pages hold %d versions", len(seen))
	}
}

func TestSearch(t *testing.T) {
	f := everything()
	h := serve(f)
	doc := read(t, h, "/crates?q=quiet_crate+")
	if got, want := doc.Attr("input[name=q]", "value"), "quiet_crate"; got != want {
		t.Errorf("the field holds %q, want %q", got, want)
	}
	if got, want := read(t, h, "/crates?q=ARRAYVIEW").Text(".releases .what"), "arrayview 0.3.10 this name Macros to take array references of slices"; got != want {
		t.Errorf("the exact hit is %q, want %q", got, want)
	}
	for n := range 120 {
		f.add(fmt.Sprintf("page-%03d", n), store.Release{Version: "1.0.0"})
	}
	var seen []string
	for path := "/crates?q=page-"; path != ""; {
		doc := read(t, h, path)
		seen = append(seen, doc.Texts(".releases .name")...)
		path = doc.Attr("a[rel=next]", "href")
	}
	if len(seen) != 120 || seen[119] != "page-119" {
		t.Errorf("the pages of a search hold %d crates", len(seen))
	}
}

// What is asked of the store is text that somebody could have typed.
func TestSearchIsCleaned(t *testing.T) {
	tests := []struct{ typed, want string }{
		{"%20serde%20json%0A", "serde json"},
		{"a%00b%1bc", "a b c"},
		{"a%ffb", "ab"},
		{strings.Repeat("%C3%A4", 100), strings.Repeat("ä", 64)},
	}
	f := &fake{}
	h := serve(f)
	for _, tt := range tests {
		read(t, h, "/crates?q="+tt.typed)
		if f.query.Text != tt.want {
			t.Errorf("?q=%s searches for %q, want %q", tt.typed, f.query.Text, tt.want)
		}
	}
}

func TestDependenciesLeadSomewhere(t *testing.T) {
	doc := read(t, serve(everything()), "/crates/arrayview/dependencies")
	want := []string{"slice-macro1", "quiet-crate", "libc", "cc", "quickcheck"}
	if diff := cmp.Diff(want, doc.Texts("tbody th")); diff != "" {
		t.Errorf("dependencies (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"quiet-crate"}, doc.Texts("tbody th a")); diff != "" {
		t.Errorf("linked dependencies (-want +got):\n%s", diff)
	}
}
