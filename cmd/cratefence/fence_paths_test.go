package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cratefence/cratefence/internal/api"
)

// unnamed is medium for crates that name no repository: their provenance is
// nothing to be asked for.
const unnamed = medium + `
[policy.default.checks.provenance]
required = false
missing = "allow"
`

// decision returns what the API tells of a release under the policy default.
func (f *fenced) decision(name, version string) api.Decision {
	f.t.Helper()
	all, _ := getJSON[api.ReleaseDecisions](f.t, f.process.url+"/api/v1/crates/"+name+"/"+version+"/decisions")
	for _, d := range all.Decisions {
		if d.Policy == "default" {
			return d
		}
	}
	return api.Decision{}
}

// osv is an advisory on versions of a crate below the one that fixes it.
func osv(id, name, fixed string) string {
	return fmt.Sprintf(`{"id": %q, "modified": "2026-08-20T12:00:00Z", "summary": "it leaks",
	"affected": [{"package": {"ecosystem": "crates.io", "name": %q},
		"ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": %q}]}]}]}`, id, name, fixed)
}

// A release that fixes what an advisory says of an allowed one waits a day, and not
// a week; by what, is shown and on record.
func TestFenceHastensAFix(t *testing.T) {
	folder := t.TempDir()
	f := newFenced(t, unnamed, fmt.Sprintf("advisories = %q\n", folder))
	f.do(os.WriteFile(filepath.Join(folder, "RUSTSEC-2026-0001.json"), []byte(osv("RUSTSEC-2026-0001", "leaky", "1.0.1")), 0o600))
	f.do(os.WriteFile(filepath.Join(folder, "GHSA-1.json"), []byte(osv("GHSA-1", "rumour", "1.0.1")), 0o600))
	for _, name := range []string{"leaky", "rumour", "sound"} {
		f.publish(name, "1.0.0", 100*24*time.Hour) // a year of silence would be a signal
	}
	f.start()
	for _, name := range []string{"leaky", "rumour", "sound"} {
		f.yanked("default", name)
		sum := f.publish(name, "1.0.1", minutes)
		if !f.yanked("default", name)["1.0.1"] {
			t.Errorf("%s is not held at first", name)
		}
		f.checked(name, "1.0.1")
		until, says := 7*24*time.Hour, "(cool-off 7d)"
		if name == "leaky" { // the others' is none, or not of a source that the policy names
			until, says = 24*time.Hour, "(cool-off 24h, as it fixes RUSTSEC-2026-0001)"
		}
		eventually(t, name+" waits "+says, func() bool {
			status, said := f.download("default", name, "1.0.1", sum)
			return status == http.StatusForbidden && strings.Contains(said, says)
		})
		d := f.decision(name, "1.0.1")
		if len(d.Reasons) == 0 {
			t.Fatalf("%s: the API says %+v", name, d)
		}
		if got := time.Until(d.Reasons[0].Until).Round(time.Hour); got != until {
			t.Errorf("%s waits %s, want %s", name, got, until)
		}
		eventually(t, "it is on record", func() bool { return strings.Contains(f.run("decisions", name+"@1.0.1"), says) })
	}
}
