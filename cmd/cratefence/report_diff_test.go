package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/checks"
)

// differing is a report of a modified file.
func differing(t *testing.T, diff string) checked {
	t.Helper()
	facts, err := json.Marshal(checks.ProvenanceFacts{Differing: []checks.ProvenanceFile{{Path: "src/lib.rs", Diff: diff}}})
	if err != nil {
		t.Fatal(err)
	}
	return checked{checks.Provenance, check.Report{Facts: facts, Findings: []check.Finding{{
		Rule: "file-modified", Level: check.LevelError, Path: "src/lib.rs", StartLine: 2, Message: "It is another", Snippet: "evil()",
	}}}}
}

// A modified file shows what it was, too, and nothing that steers a terminal.
func TestReportDiff(t *testing.T) {
	const diff = "@@ -1,2 +1,2 @@\n fn one() {\n-\tgood()\n+\tevil(\"\x1b[2J\")\n"
	tests := []struct {
		name   string
		colour bool
		want   string
	}{
		{
			name: "plain",
			want: "\nprovenance\n\n  error file-modified  src/lib.rs:2\n    It is another\n" +
				"    @@ -1,2 +1,2 @@\n     fn one() {\n    -    good()\n    +    evil(\"\ufffd[2J\")\n",
		},
		{
			name: "in colours", colour: true,
			want: "\n\x1b[1mprovenance\x1b[0m\n\n  \x1b[31merror\x1b[0m file-modified  \x1b[1msrc/lib.rs:2\x1b[0m\n    It is another\n" +
				"    \x1b[36m@@ -1,2 +1,2 @@\x1b[0m\n     fn one() {\n    \x1b[31m-    good()\x1b[0m\n    \x1b[32m+    evil(\"\ufffd[2J\")\x1b[0m\n",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			(&reporter{out: &out, colour: test.colour}).details(differing(t, diff))
			if diff := cmp.Diff(test.want, out.String()); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReportDiffLong(t *testing.T) {
	var out bytes.Buffer
	(&reporter{out: &out}).details(differing(t, "@@ -0,0 +1,100 @@\n"+strings.Repeat("+x\n", 100)))
	if want := fmt.Sprintf("    +x\n    … and %d more lines; --json prints more\n", 101-maxDiffLines); !strings.HasSuffix(out.String(), want) {
		t.Errorf("got %q, want it to end in %q", out.String(), want)
	}
}

// A file without a difference shows its own lines.
func TestReportWithoutDiff(t *testing.T) {
	var out bytes.Buffer
	(&reporter{out: &out}).details(differing(t, ""))
	if want := "        2 │ evil()\n"; !strings.HasSuffix(out.String(), want) {
		t.Errorf("got %q, want it to end in %q", out.String(), want)
	}
}
