package manifest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/lockfile"
)

func TestCompareLock(t *testing.T) {
	const (
		cratesIO = "registry+https://github.com/rust-lang/crates.io-index"
		sparse   = "sparse+https://index.crates.io/"
	)
	one, two := strings.Repeat("1", 64), strings.Repeat("2", 64)
	git := &lockfile.Lock{Packages: []lockfile.Package{
		{Name: "own", Version: "1.0.0"},
		{Name: "beside", Version: "1.0.0"},
		{Name: "same", Version: "1.0.0", Source: cratesIO, Checksum: one},
		{Name: "forked", Version: "1.0.0", Source: "git+https://example.org/forked#abc"},
		{Name: "none", Version: "1.0.0", Source: cratesIO},
	}}
	tests := []struct {
		name    string
		git     *lockfile.Lock
		is      lockfile.Package
		want    LockKind // "" for no difference
		against bool
	}{
		{"same", git, lockfile.Package{Name: "same", Version: "1.0.0", Source: cratesIO, Checksum: one}, "", false},
		{"same by another way to crates.io", git, lockfile.Package{Name: "same", Version: "1.0.0", Source: sparse, Checksum: one}, "", false},
		{"git has no checksum", git, lockfile.Package{Name: "none", Version: "1.0.0", Source: cratesIO, Checksum: one}, "", false},
		{"checksum", git, lockfile.Package{Name: "same", Version: "1.0.0", Source: cratesIO, Checksum: two}, LockChecksum, true},
		{"newer", git, lockfile.Package{Name: "same", Version: "1.0.1", Source: cratesIO, Checksum: one}, LockResolved, false},
		{"no lock in git", nil, lockfile.Package{Name: "same", Version: "1.0.0", Source: cratesIO, Checksum: one}, LockResolved, false},
		{"own", git, lockfile.Package{Name: "own", Version: "1.0.0"}, "", false},
		{"own, bumped", git, lockfile.Package{Name: "own", Version: "1.0.1"}, LockItself, false},
		{"sibling", git, lockfile.Package{Name: "beside", Version: "1.0.0", Source: cratesIO, Checksum: one}, LockSibling, false},
		{"newer sibling", git, lockfile.Package{Name: "beside", Version: "1.0.1", Source: cratesIO, Checksum: one}, LockSibling, false},
		{"from git", git, lockfile.Package{Name: "forked", Version: "1.0.0", Source: cratesIO, Checksum: one}, LockFromGit, false},
		{"git still", git, lockfile.Package{Name: "forked", Version: "1.0.0", Source: "git+https://example.org/forked#abc"}, "", false},
		{"other commit", git, lockfile.Package{Name: "forked", Version: "1.0.0", Source: "git+https://example.org/forked#def"}, LockOther, true},
		{"other registry", git, lockfile.Package{Name: "same", Version: "1.0.0", Source: "registry+https://evil.example", Checksum: one}, LockOther, true},
		{"folder", git, lockfile.Package{Name: "evil", Version: "1.0.0"}, LockNoPackage, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := CompareLock(&lockfile.Lock{Packages: []lockfile.Package{tt.is}}, tt.git, "own")
			var want []LockDifference
			if tt.want != "" {
				want = []LockDifference{{Package: tt.is, Kind: tt.want}}
			}
			for i := range got {
				if got[i].Message == "" || got[i].Kind.Contradicts() != tt.against {
					t.Errorf("contradicts %t, says %q", got[i].Kind.Contradicts(), got[i].Message)
				}
				got[i].Message = ""
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
