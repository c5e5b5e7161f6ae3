package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/tools/txtar"

	"github.com/cratefence/cratefence/internal/cratetest"
)

var update = flag.Bool("update", false, "write golden files anew")

// beProgram makes the test binary be the program, for tests that kill it.
const beProgram = "CRATEFENCE_TEST_BE_PROGRAM"

func TestMain(m *testing.M) {
	if kind := os.Getenv(beBare); kind != "" {
		fmt.Fprintln(os.Stderr, serveBare(kind, os.Args[1]))
		os.Exit(1)
	}
	if os.Getenv(beProgram) != "" {
		main()
	}
	testscript.Main(m, map[string]func(){"cratefence": main})
}

// Scripts show the command line at work. Besides testscript's own commands they
// have:
//
//	world             starts the demo's git server and registry; sets $GIT, $REGISTRY and $INDEX
//	                  and leaves each release as NAME-VERSION.crate
//	pack NAME VERSION FILE   packs the files of a txtar archive, whose marker lines are written
//	                  with @@, as NAME-VERSION.crate
//	server CONFIG     starts a server, whose address is then $SERVER and whose log server.log
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"world":  worldCommand,
			"pack":   packCommand,
			"server": serverCommand,
		},
	})
}

func worldCommand(ts *testscript.TestScript, _ bool, _ []string) {
	w, err := startWorld(context.Background(), ts.MkAbs("world"))
	ts.Check(err)
	ts.Defer(func() { ts.Check(w.close()) })
	for _, r := range w.releases {
		ts.Check(os.WriteFile(ts.MkAbs(r.Name+"-"+r.Version+".crate"), r.Crate, 0o600))
	}
	ts.Setenv("GIT", hostPort(w.git))
	ts.Setenv("REGISTRY", hostPort(w.registry))
	ts.Setenv("INDEX", cratetest.IndexURL(w.registry.URL))
	config := fmt.Sprintf("[upstream]\nindex = %q\n[egress]\nallow = [\"upstream=%s\", \"git=%s\"]\n",
		cratetest.IndexURL(w.registry.URL), hostPort(w.registry), hostPort(w.git))
	ts.Check(os.WriteFile(ts.MkAbs("world.toml"), []byte(config), 0o600))
}

func packCommand(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: pack NAME VERSION TXTAR")
	}
	commits, err := cratetest.Commits(txtar.Parse([]byte(strings.ReplaceAll(ts.ReadFile(args[2]), "@@", "--"))))
	ts.Check(err)
	data, err := cratetest.Pack(cratetest.Package{Name: args[0], Version: args[1], Files: commits[len(commits)-1].Files})
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+"-"+args[1]+".crate"), data, 0o600))
}

func serverCommand(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: server CONFIG")
	}
	log, err := os.Create(ts.MkAbs("server.log"))
	ts.Check(err)
	p, err := launch(ts.MkAbs("."), log, "--config", args[0], "serve", "--listen", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(p.kill)
	ts.Setenv("SERVER", p.url)
}

// The manual in docs is the one that the program prints.
func TestConfigurationManual(t *testing.T) {
	golden(t, filepath.Join("..", "..", "docs", "configuration.md"), []byte(manualMarkdown()))
	for _, s := range manual() {
		for _, e := range s.Entries {
			if e.Doc == "" {
				t.Errorf("key %q has no comment", e.Key)
			}
		}
	}
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s is out of date: go test ./cmd/cratefence -update writes it anew (-want +got):\n%s", path, diff)
	}
}

func TestPrintable(t *testing.T) {
	// What a crate says must not steer a terminal or turn its lines around.
	tests := []struct{ in, want string }{
		{"src/lib.rs", "src/lib.rs"},
		{"naïve 日本語", "naïve 日本語"},
		{"\x1b[2Jgone", "\uFFFD[2Jgone"},
		{"a\u202eb", "a\uFFFDb"},
		{"two\nlines", "two lines"},
		{"zero\u200bwidth", "zero\uFFFDwidth"},
		{"bell\a", "bell\uFFFD"},
		{"\x9b31m", "\uFFFD31m"}, // the one-byte CSI, here as invalid UTF-8
	}
	for _, tt := range tests {
		if got := printable(tt.in); got != tt.want {
			t.Errorf("printable(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestWrap(t *testing.T) {
	long := strings.Repeat("x", 100)
	tests := []struct{ name, in, want string }{
		{"breaks at spaces", "one two three four", "  one two\n  three\n  four"},
		{"a long word stands alone", "a " + long + " b", "  a\n  " + long + "\n  b"},
		{"nothing", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, wrap(tt.in, 10, "  ")); diff != "" {
				t.Errorf("wrap (-want +got):\n%s", diff)
			}
		})
	}
}
