package main

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/api"
	"github.com/cratefence/cratefence/internal/cratetest"
	"github.com/cratefence/cratefence/internal/htmlcheck"
)

// startDemo runs the demo as its own process, checked and ready.
func startDemo(t *testing.T) *process {
	t.Helper()
	_, err := cratetest.GitServer(t.TempDir())
	skipWithoutGit(t, err)
	return startProcess(t, "demo", "--listen", "127.0.0.1:0", "--json")
}

// TestDemo expects of each of the demo's crates what the demo promises.
func TestDemo(t *testing.T) {
	t.Parallel()
	p := startDemo(t)
	want := map[string]map[string]string{
		// Honest.
		"tidy-int/0.1.0": {"dependencies": "neutral", "archive": "success", "provenance": "success", "security-policy": "success"},
		"tidy-int/0.2.0": {"dependencies": "success", "archive": "success", "provenance": "success", "security-policy": "success"},
		// A source file that the repository lacks.
		"lantern-log/1.3.0": {"dependencies": "neutral", "archive": "success", "provenance": "failure", "security-policy": "neutral"},
		// A dependency that only the published manifest has.
		"gentle-parse/0.4.1": {"dependencies": "neutral", "archive": "success", "provenance": "failure", "security-policy": "neutral"},
		// No recorded commit.
		"quiet-pool/2.0.0": {"dependencies": "neutral", "archive": "success", "provenance": "inconclusive", "security-policy": "neutral"},
		// A hostile archive: nobody else looks inside.
		"crooked-box/0.0.7": {"dependencies": "neutral", "archive": "failure", "provenance": "inconclusive", "security-policy": "inconclusive"},
	}
	got := map[string]map[string]string{}
	for release := range want {
		runs, ok := getJSON[api.CheckDocument](t, p.url+"/api/v1/crates/"+release+"/check-runs")
		if !ok {
			t.Fatalf("%s is not there", release)
		}
		got[release] = map[string]string{}
		for _, r := range runs.CheckRuns {
			if r.Counts {
				got[release][r.Check] = r.Conclusion
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("conclusions (-want +got):\n%s", diff)
	}
	// The first page that a newcomer is sent to tells the whole story at once.
	resp, err := http.Get(p.url + "/crates/array-lens/0.3.10/fence")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, words := range []string{"quarantined", "5 versions of the crate were yanked", "adds its first dependency, proc-lens1"} {
		if !strings.Contains(string(body), words) {
			t.Errorf("the page of the attack (%s) does not say %q", resp.Status, words)
		}
	}
	t.Run("pages", func(t *testing.T) { crawl(t, p.url) })
}

// crawl follows every link of our own from the home page, and expects that each
// page is there, is well made and carries the content security policy.
func crawl(t *testing.T, base string) {
	queue, seen := []string{"/"}, map[string]bool{"/": true}
	for len(queue) > 0 {
		path := queue[0]
		queue = queue[1:]
		for _, link := range visit(t, base, path) {
			link, _, _ = strings.Cut(link, "#")
			if strings.HasPrefix(link, "/") && !strings.HasPrefix(link, "//") && !seen[link] {
				seen[link] = true
				queue = append(queue, link)
			}
		}
	}
	// Home, list, incidents, checks and their docs, and each crate's tabs.
	if len(seen) < 30 {
		t.Errorf("only %d pages are linked from the home page", len(seen))
	}
}

// visit reads a page and returns its links.
func visit(t *testing.T, base, path string) []string {
	t.Helper()
	resp, err := http.Get(base + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Errorf("%s: %s", path, resp.Status)
	}
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		return nil
	}
	if csp := resp.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("%s: content security policy %q", path, csp)
	}
	doc, err := htmlcheck.Parse(body)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	for _, problem := range htmlcheck.Lint(doc) {
		t.Errorf("%s: %s", path, problem)
	}
	return doc.Links()
}
