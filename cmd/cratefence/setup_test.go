package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/cratefence/cratefence/internal/cratetest"
)

// Scripts show setup at work. Besides testscript's own commands they have:
//
//	cargo VERSION     puts a cargo into the PATH that says it has this version
//	fence             answers for the policies default, which is open, and strict, which wants
//	                  the token "good"; its address is then $FENCE
//	crlf FILE         ends a file's lines as Windows does
func TestSetup(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "setup"),
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"cargo": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(os.MkdirAll(ts.MkAbs("bin"), 0o700))
				script := "#!/bin/sh\necho 'cargo " + args[0] + " (f2d3ce0bd 2026-03-21)'\n"
				ts.Check(os.WriteFile(ts.MkAbs("bin/cargo"), []byte(script), 0o700))
				ts.Setenv("PATH", ts.MkAbs("bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
			},
			"fence": func(ts *testscript.TestScript, _ bool, _ []string) {
				s, err := cratetest.Serve("127.0.0.1:0", http.HandlerFunc(answerConfig))
				ts.Check(err)
				ts.Defer(func() { ts.Check(s.Close()) })
				ts.Setenv("FENCE", s.URL)
			},
			"crlf": func(ts *testscript.TestScript, _ bool, args []string) {
				text := strings.ReplaceAll(ts.ReadFile(args[0]), "\n", "\r\n")
				ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
			},
		},
	})
}

func answerConfig(w http.ResponseWriter, r *http.Request) {
	switch token := r.Header.Get("Authorization"); {
	case r.URL.Path == "/p/default/index/config.json" && token == "":
		fmt.Fprintf(w, `{"dl":"http://%s/p/default/dl/{crate}/{version}/{sha256-checksum}"}`, r.Host)
	case r.URL.Path == "/p/strict/index/config.json" && token == "good":
		fmt.Fprintf(w, `{"dl":"http://%s/p/strict/dl/{crate}/{version}/{sha256-checksum}","auth-required":true}`, r.Host)
	case r.URL.Path == "/p/strict/index/config.json":
		http.Error(w, "cratefence: this policy needs a token", http.StatusUnauthorized)
	case r.URL.Path == "/p/closed/index/config.json":
		http.Error(w, "cratefence: not open to \x1b[2Jyou", http.StatusForbidden)
	default:
		http.Error(w, "<html>", http.StatusOK)
	}
}

func TestMergeCargoConfig(t *testing.T) {
	plan := setupPlan{cargo: cargoVersion{minor: 95}, policy: "default", index: "sparse+http://f/p/default/index/"}
	block := setupBegin + "\n" + plan.lines() + setupEnd + "\n"
	older := setupBegin + "\n[registries.fence]\nindex = \"sparse+http://old/\"\n" + setupEnd + "\n"
	tests := []struct{ name, in, want, wantErr string }{
		{name: "nothing", in: "", want: block},
		{name: "something", in: "[build]\njobs = 2\n", want: "[build]\njobs = 2\n\n" + block},
		{name: "without an end of line", in: "[build]\njobs = 2", want: "[build]\njobs = 2\n\n" + block},
		{name: "Windows", in: "[build]\r\njobs = 2\r\n", want: strings.ReplaceAll("[build]\njobs = 2\n\n"+block, "\n", "\r\n")},
		{name: "again", in: "# mine\n\n" + block + "\n[build]\njobs = 2\n", want: "# mine\n\n" + block + "\n[build]\njobs = 2\n"},
		{name: "another address", in: "# mine\n" + older + "[build]\njobs = 2", want: "# mine\n" + block + "[build]\njobs = 2"},
		{name: "another registry", in: "[registries.private]\nindex = \"x\"\n", want: "[registries.private]\nindex = \"x\"\n\n" + block},

		{name: "the same table", in: "[registries.fence]\nindex = \"x\"\n", wantErr: `it has a table "registries.fence" of its own`},
		{name: "the same table, dotted", in: "source.crates-io.replace-with = \"mirror\"\n", wantErr: `it has a table "source.crates-io" of its own`},
		{name: "the same table, inline", in: "source = { crates-io = { replace-with = \"x\" } }\n", wantErr: `it has a table "source.crates-io" of its own`},
		{name: "the same table beside the marks", in: older + "[source.fence]\nregistry = \"x\"\n", wantErr: `it has a table "source.fence" of its own`},
		{name: "a closed table", in: "registries = { private = { index = \"x\" } }\n", wantErr: "do not go together"},
		{name: "a table that goes on", in: older + "index = \"y\"\n", wantErr: "do not go together"},
		{name: "half the marks", in: setupBegin + "\n", wantErr: "are not one pair"},
		{name: "marks twice", in: older + older, wantErr: "are not one pair"},
		{name: "marks the wrong way round", in: setupEnd + "\n" + setupBegin + "\n", wantErr: "are not one pair"},
		{name: "not TOML", in: "[build\n", wantErr: "it is not as cargo wants it: line 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := mergeCargoConfig([]byte(tt.in), plan)
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Errorf("error %v, want %q", err, tt.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Errorf("merged (-want +got):\n%s", diff)
			}
			again, err := mergeCargoConfig(got, plan)
			if err != nil || string(again) != string(got) {
				t.Errorf("merged once more it is %q, %v, want no change", again, err)
			}
		})
	}
}

func TestParseCargoVersion(t *testing.T) {
	tests := []struct {
		in   string
		want cargoVersion // zero: refused
	}{
		{"cargo 1.95.0 (f2d3ce0bd 2026-03-21)\n", cargoVersion{95, "1.95.0"}},
		{"cargo 1.97.0-nightly (4d1f98451 2026-05-15)\n", cargoVersion{97, "1.97.0-nightly"}},
		{"cargo 1.100.0\n", cargoVersion{100, "1.100.0"}},
		{"error: no default toolchain\n", cargoVersion{}},
		{"", cargoVersion{}},
	}
	for _, tt := range tests {
		got, err := parseCargoVersion(tt.in)
		if got != tt.want || (err != nil) != (tt.want == cargoVersion{}) {
			t.Errorf("parseCargoVersion(%q) = %+v, %v, want %+v", tt.in, got, err, tt.want)
		}
	}
}

func TestNoCargo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if v, err := installedCargo(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "no cargo is installed here") {
		t.Errorf("installedCargo without one = %v, %v", v, err)
	}
}

// A certificate of one's own is the first thing that a platform team meets; that
// the fence may not run would send it the wrong way.
func TestSetupDistrustedCertificate(t *testing.T) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	base, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = askFence(t.Context(), base, "default", false); err == nil || !strings.Contains(err.Error(), "http.cainfo for cargo") {
		t.Errorf("askFence = %v; want what to do about the certificate", err)
	}
	s.Close()
	if _, err = askFence(t.Context(), base, "default", false); err == nil || !strings.Contains(err.Error(), "is it running?") {
		t.Errorf("askFence of nobody = %v", err)
	}
}
