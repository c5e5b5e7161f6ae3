package checks

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/checks/provenance"
	"github.com/cratefence/cratefence/internal/cratetest"
)

// filtered has files that git checks out otherwise than it holds them.
const filtered = demoRepository + `
-- .gitattributes --
*.txt text
*.rc text working-tree-encoding=UTF-16
*.le working-tree-encoding=UTF-16LE
*.id ident
*.csv -text
*.unix text eol=lf
-- demo/src/names.txt --
a
b
-- demo/src/wide.rc --
wide äöü
-- demo/src/wide.le --
wide 𝄞
-- demo/src/keyword.id --
$Id$ and $Id: somebody's own $
-- demo/src/data.csv --
a
-- demo/src/data.unix --
a
-- demo/src/list --
a
`

// What git itself makes of a commit when it checks it out is accounted for,
// whatever git is told to do with line ends.
func TestProvenanceOfCheckout(t *testing.T) {
	f := newForge(t, filtered)
	tests := []struct {
		name   string
		config []string
		want   check.Conclusion
		rules  []string
		kinds  map[provenance.Kind]int
	}{
		{
			name: "on Unix", config: []string{"core.autocrlf=false", "core.eol=lf"}, want: check.Success,
			kinds: map[provenance.Kind]int{provenance.Ident: 1, provenance.Transcoded: 2},
		},
		{
			name: "for Windows, what is called text", config: []string{"core.autocrlf=false", "core.eol=crlf"}, want: check.Success,
			kinds: map[provenance.Kind]int{provenance.Ident: 1, provenance.Transcoded: 2, provenance.LineEnds: 1},
		},
		{ // of which nobody has said that it is
			name: "for Windows, what looks like text", config: []string{"core.autocrlf=true"}, want: check.Neutral,
			rules: []string{"warning line-ends-other src/keyword.id"},
			kinds: map[provenance.Kind]int{provenance.Ident: 1, provenance.Transcoded: 2, provenance.LineEnds: 3},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := f.publish(t, cratetest.Package{Commit: f.repository.Head(), PathInVCS: "demo"}, "")
			dir := checkOut(t, f, test.config)
			for i, file := range s.Archive.Files {
				if strings.HasPrefix(file.Path, "src/") {
					s.Archive.Files[i].Data = read(t, filepath.Join(dir, "demo", file.Path))
				}
			}
			r, facts := runCheck(t, s)
			if diff := cmp.Diff(test.rules, rules(r.Findings)); r.Conclusion != test.want || diff != "" {
				t.Errorf("concludes %s, %q, findings (-want +got):\n%s", r.Conclusion, r.Title, diff)
			}
			for _, benign := range []provenance.Kind{provenance.Exact, provenance.Generated, provenance.Linked, provenance.Copied} {
				delete(facts.Files, benign)
			}
			if diff := cmp.Diff(test.kinds, facts.Files); diff != "" {
				t.Errorf("kinds (-want +got):\n%s", diff)
			}
		})
	}
}

// checkOut clones a forge's repository with git.
func checkOut(t *testing.T, f *forge, config []string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	args := []string{"clone", "-q"}
	for _, setting := range config {
		args = append(args, "-c", setting)
	}
	cmd := exec.CommandContext(t.Context(), "git", append(args, f.repository.Dir, dir)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %q: %v: %s", args, err, out)
	}
	return dir
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
