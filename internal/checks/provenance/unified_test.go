package provenance

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/check"
)

func TestDiffTexts(t *testing.T) {
	tests := []struct {
		name, before, after string
		want                *Diff
	}{
		{"the same but for line ends", "a\nb\n", "a\r\nb\r\n", nil},
		{
			"a word", "a\nb\nc\n", "a\nx\nc\n",
			&Diff{Start: 2, End: 2, Snippet: "x", Unified: "@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n"},
		},
		{
			"from nothing", "", "a\n",
			&Diff{Start: 1, End: 1, Snippet: "a", Unified: "@@ -0,0 +1,1 @@\n+a\n"},
		},
		{
			"lines missing", "a\nb\nc\n", "a\nc\n",
			&Diff{Start: 2, End: 1, Unified: "@@ -1,3 +1,2 @@\n a\n-b\n c\n"},
		},
		{
			"two places", "a\n1\n2\n3\n4\n5\n6\n7\nb\n", "x\n1\n2\n3\n4\n5\n6\n7\ny\n",
			&Diff{Start: 1, End: 1, Snippet: "x", Unified: "@@ -1,4 +1,4 @@\n-a\n+x\n 1\n 2\n 3\n@@ -6,4 +6,4 @@\n 5\n 6\n 7\n-b\n+y\n"},
		},
		{
			// Nothing in a diff may move the reader's eye or terminal.
			"invisible", "a\n", "a\u202eb\x1b[2J\n",
			&Diff{Start: 1, End: 1, Snippet: "a\uFFFDb\uFFFD[2J", Unified: "@@ -1,1 +1,1 @@\n-a\n+a\uFFFDb\uFFFD[2J\n"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, diffTexts([]byte(test.before), []byte(test.after))); diff != "" {
				t.Errorf("diff (-want +got):\n%s", diff)
			}
		})
	}
}

// What is too different to be told line by line is bounded, in time and length.
func TestDiffTextsBounds(t *testing.T) {
	var before, after bytes.Buffer
	for i := range 100_000 {
		fmt.Fprintf(&before, "before %d\n", i)
		fmt.Fprintf(&after, "after %d\n", i)
	}
	d := diffTexts(before.Bytes(), after.Bytes())
	if len(d.Unified) > check.MaxSnippet || !strings.HasSuffix(d.Unified, "\n…\n") {
		t.Errorf("%d bytes, ending in %q", len(d.Unified), d.Unified[len(d.Unified)-10:])
	}
}

// git takes our diffs for its own: applied to the one text they give the other.
func TestDiffTextsApplies(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	text := func() string {
		var b strings.Builder
		for range random.IntN(40) {
			b.WriteString(string(rune('a'+random.IntN(6))) + "\n")
		}
		return b.String()
	}
	for range 40 {
		before, after := text(), text()
		d := diffTexts([]byte(before), []byte(after))
		if d == nil {
			continue
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "f"), []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		apply := exec.CommandContext(t.Context(), "git", "apply", "--unidiff-zero", "-")
		apply.Dir = dir
		apply.Stdin = strings.NewReader("--- a/f\n+++ b/f\n" + d.Unified)
		if out, err := apply.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s\nfrom %q to %q:\n%s", err, out, before, after, d.Unified)
		}
		got, err := os.ReadFile(filepath.Join(dir, "f"))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != after {
			t.Errorf("from %q to %q: got %q by\n%s", before, after, got, d.Unified)
		}
	}
}
