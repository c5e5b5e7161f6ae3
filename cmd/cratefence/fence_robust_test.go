package main

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cratefence/cratefence/internal/cratetest"
	"github.com/cratefence/cratefence/internal/pgtest"
)

// onPostgres has the fence keep everything in a database of its own there.
func (f *fenced) onPostgres() (dsn string) {
	f.t.Helper()
	dsn = pgtest.Database(f.t)
	text, err := os.ReadFile(f.config)
	f.do(err)
	f.write("database", dsn)
	f.do(os.WriteFile(f.config, append([]byte("database_file = \""+f.dir+"/database\"\n"), text...), 0o600))
	return dsn
}

// Replicas on one database agree: what a person decides through one of them, or
// beside all of them, holds for each.
func TestFenceReplicasAgree(t *testing.T) {
	f := newFenced(t, medium, "")
	f.onPostgres()
	f.publish("foo", "1.0.1", old)
	sum := f.publish("foo", "1.0.2", minutes)
	f.start()
	replicas := []*process{f.process, startProcess(t, "--config", f.config, "serve", "--listen", "127.0.0.1:0")}
	each := func(what string, want int) {
		t.Helper()
		began := time.Now()
		for _, p := range replicas {
			f.process = p
			eventually(t, what, func() bool {
				status, _ := f.download("default", "foo", "1.0.2", sum)
				return status == want && f.yanked("default", "foo")["1.0.2"] == (want != http.StatusOK)
			})
		}
		t.Logf("%s: at both after %s", what, time.Since(began).Round(time.Millisecond))
	}
	each("it is held", http.StatusForbidden)
	f.checked("foo", "1.0.2") // else reasons change meanwhile, and each change is recorded
	f.run("decide", "allow", "foo@1.0.2", "--policy", "default", "--reason", "looked at it")
	each("it is let through", http.StatusOK)
	f.run("decide", "revoke", "foo@1.0.2", "--policy", "default", "--reason", "it steals keys", "--after", "1")
	each("it is withdrawn", http.StatusForbidden)

	// What both came to is on record once.
	eventually(t, "it is on record", func() bool { return strings.Contains(f.run("decisions", "foo@1.0.2"), "revoked") })
	record := f.run("decisions", "foo@1.0.2")
	for _, state := range []string{"waived", "revoked"} {
		if n := strings.Count(record, state+"  foo 1.0.2"); n != 1 {
			t.Errorf("%s is recorded %d times:\n%s", state, n, record)
		}
	}
}

// Without its database the fence serves what it knows, and nothing that it never
// evaluated.
func TestFenceWithoutItsDatabase(t *testing.T) {
	f := newFenced(t, medium, "")
	dsn := f.onPostgres()
	f.publish("foo", "1.0.1", old)
	held := f.publish("foo", "1.0.2", minutes)
	f.start()
	p := f.project(`foo = "1"`)
	p.run("build")
	eventually(t, "what was let through is taken in", func() bool {
		status, _, _ := f.get("/api/v1/crates/foo/1.0.1")
		return status == http.StatusOK
	})
	f.checked("foo", "1.0.2")

	pgtest.Outage(t, dsn, true)
	t.Cleanup(func() { pgtest.Outage(t, dsn, false) })
	later := f.publish("foo", "1.0.3", minutes)
	p.machine()
	p.run("build", "--locked")
	if got := f.yanked("default", "foo"); got["1.0.1"] || !got["1.0.2"] {
		t.Errorf("without its database the fence serves %v", got)
	}
	if got, listed := f.yanked("default", "foo")["1.0.3"]; listed && !got {
		t.Error("a version that nobody evaluated is served")
	}
	if status, _ := f.download("default", "foo", "1.0.2", held); status != http.StatusForbidden {
		t.Errorf("the held version is answered %d", status)
	}
	if status, _ := f.download("default", "foo", "1.0.3", later); status == http.StatusOK {
		t.Error("a version that nobody evaluated is handed out")
	}

	pgtest.Outage(t, dsn, false)
	eventually(t, "the new version is seen, and held", func() bool { return f.yanked("default", "foo")["1.0.3"] })
}

// A whole index is taken over before anybody asks: what is older than that day
// passes, and what turns up later with an old date does not.
func TestFenceAfterAnImport(t *testing.T) {
	f := newFenced(t, "[policy.default]\npreset = \"medium\"\n", "")
	f.publish("foo", "1.0.0", old)
	f.publish("foo", "1.0.1", 30*24*time.Hour)
	f.publish("bare", "0.1.0", -1)
	folder := t.TempDir()
	f.do(f.registry.WriteFolder(folder))
	out := f.run("import-index", folder)
	if !strings.Contains(out, "2 crates") {
		t.Errorf("import-index printed %q, want it to count 2 crates", out)
	}
	f.start()
	p := f.project(`foo = "1"`)
	p.run("build")
	if got := p.locked("foo"); got != "1.0.1" {
		t.Errorf("locked %q, want 1.0.1", got)
	}
	backdated := f.publish("foo", "1.0.2", old)
	if got := f.yanked("default", "foo"); !got["1.0.2"] || got["1.0.1"] {
		t.Errorf("served as %v, want 1.0.2 alone yanked", got)
	}
	if status, body := f.download("default", "foo", "1.0.2", backdated); status != http.StatusForbidden {
		t.Errorf("a version with an old date that was not there before is answered %d %s", status, body)
	}
	if got := f.yanked("default", "bare"); !got["0.1.0"] {
		t.Error("a release without a date passes")
	}
}

// Where a token is asked of cargo, it is asked of who reads decisions, too.
func TestFenceTellsNobodyWithoutAToken(t *testing.T) {
	f := newFenced(t, medium, "auth_required = true\n")
	f.publish("foo", "1.0.1", old)
	sum := f.publish("foo", "1.0.2", minutes)
	f.start()
	secret := strings.TrimSpace(f.run("token", "create", "ci", "--scope", "fetch", "--scope", "read"))
	f.get("/p/default/index/3/f/foo", "Authorization", secret) // the fence has seen it
	f.checked("foo", "1.0.2")
	if status, _ := f.download("default", "foo", "1.0.2", sum); status != http.StatusUnauthorized {
		t.Errorf("a download without a token is answered %d", status)
	}
	for _, path := range []string{"/api/v1/decisions", "/api/v1/crates/foo/1.0.2", "/decisions", "/queue", "/crates/foo/1.0.2/security", "/policy/default"} {
		_, body, _ := f.get(path)
		for _, told := range []string{"cool-off", "first seen here"} {
			if strings.Contains(body, told) {
				t.Errorf("%s tells whoever asks of the %s", path, told)
			}
		}
	}
	if _, body, _ := f.get("/api/v1/decisions", "Authorization", "Bearer "+secret); !strings.Contains(body, "cool-off") {
		t.Errorf("with a token the decisions read %s", body)
	}
}

// A policies' file with a mistake is not taken; the next good one is.
func TestFencePoliciesChange(t *testing.T) {
	f := newFenced(t, medium, "")
	f.publish("foo", "1.0.1", old)
	f.publish("foo", "1.0.2", minutes)
	f.start()
	refused := func() bool {
		_, metrics, _ := f.get("/metrics")
		return strings.Contains(metrics, "\ncratefence_policies_refused 1\n")
	}
	for name, text := range map[string]string{
		"a mistake":                    "[policy.default]\npreset = \"none\"\n",
		"the policy in use is missing": "[policy.other]\npreset = \"low\"\n",
	} {
		f.write("policies.toml", text)
		eventually(t, name+" is noticed", refused)
		if !f.yanked("default", "foo")["1.0.2"] {
			t.Errorf("%s: the policy before is not in force", name)
		}
		f.write("policies.toml", strings.ReplaceAll(medium, "BASELINE", yesterday().Format("2006-01-02")))
		eventually(t, "the file is put right", func() bool { return !refused() })
	}
	f.write("policies.toml", "[policy.default]\npreset = \"low\"\nmode = \"observe\"\nbaseline = "+yesterday().Format("2006-01-02")+"\n")
	eventually(t, "another policy is in force", func() bool { return !f.yanked("default", "foo")["1.0.2"] })
}

// The demo's replay ends as its words say.
func TestDemoReplay(t *testing.T) {
	t.Parallel()
	p := startDemo(t)
	f := &fenced{t: t, process: p, registry: cratetest.NewRegistry()}
	got := f.yanked("default", replayCrate)
	for _, version := range replayGood {
		if want := version != "0.3.9"; got[version] != want {
			t.Errorf("%s is served with yanked %v, want %v", version, got[version], want)
		}
	}
	if !got[replayBad] {
		t.Errorf("%s is served", replayBad)
	}
	project := f.project(replayCrate + ` = "0.3"`)
	project.run("build")
	if got := project.locked(replayCrate); got != "0.3.9" {
		t.Errorf("locked %q, want 0.3.9", got)
	}
}
