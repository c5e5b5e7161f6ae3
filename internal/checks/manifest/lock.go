package manifest

import (
	"fmt"
	"strings"

	"github.com/cratefence/cratefence/internal/lockfile"
)

// A LockKind says how a locked package came to differ from git's Cargo.lock.
type LockKind string

// The kinds. cargo resolves anew when it packages, and prefers what git has: the
// first four are its doing.
const (
	LockResolved  LockKind = "resolved"  // not in git's: chosen when publishing
	LockSibling   LockKind = "sibling"   // a folder in git's, the registry's as published
	LockFromGit   LockKind = "from-git"  // a git repository in git's, the registry's as published
	LockItself    LockKind = "itself"    // the package, in another version
	LockOther     LockKind = "other"     // from elsewhere than crates.io, and not so in git's
	LockChecksum  LockKind = "checksum"  // another checksum than git has for the same package
	LockNoPackage LockKind = "no-source" // a folder, which no published crate has beside it
)

// Contradicts reports whether cargo's resolving does not account for the kind.
func (k LockKind) Contradicts() bool {
	return k == LockOther || k == LockChecksum || k == LockNoPackage
}

// A LockDifference is a published package of a Cargo.lock that git's does not
// have alike.
type LockDifference struct {
	Package lockfile.Package
	Kind    LockKind
	Message string
}

// CompareLock says which packages of a published Cargo.lock are not in git's, nil
// where it has none. name is the crate's own. Whether a checksum is the index's is
// another question.
func CompareLock(published, git *lockfile.Lock, name string) []LockDifference {
	c := lockComparison{byID: map[string]lockfile.Package{}, byName: map[string][]lockfile.Package{}, folders: map[string]string{}}
	if git != nil {
		for _, p := range git.Packages {
			c.byID[lockID(p)] = p
			c.byName[p.Name+" "+p.Version] = append(c.byName[p.Name+" "+p.Version], p)
			if p.Source == "" {
				c.folders[p.Name] = p.Version
			}
		}
	}
	for _, p := range published.Packages {
		c.compare(p, name)
	}
	return c.found
}

type lockComparison struct {
	byID   map[string]lockfile.Package
	byName map[string][]lockfile.Package // by name and version
	// folders are the versions of what git has beside the crate. cargo allows one
	// of a name.
	folders map[string]string
	found   []LockDifference
}

func (c *lockComparison) compare(p lockfile.Package, own string) {
	same, locked := c.byID[lockID(p)]
	switch {
	case locked && (same.Checksum == p.Checksum || same.Checksum == "" || p.Checksum == ""):
	case locked:
		c.add(p, LockChecksum, "has the checksum %s, and %s in git", p.Checksum, same.Checksum)
	case p.Source == "" && p.Name == own:
		c.add(p, LockItself, "is the crate itself, in another version than git has")
	case p.Source == "":
		c.add(p, LockNoPackage, "is locked as a folder beside the crate, and a published crate has none")
	case !FromCratesIO(p.Source):
		c.add(p, LockOther, "is from %q, which git's lock does not have", p.Source)
	default:
		c.fromRegistry(p)
	}
}

// fromRegistry explains a package of crates.io that git's lock does not have as
// such.
func (c *lockComparison) fromRegistry(p lockfile.Package) {
	for _, q := range c.byName[p.Name+" "+p.Version] {
		switch {
		case q.Source == "":
			c.add(p, LockSibling, "lies beside the crate in git, and is the registry's as published")
			return
		case strings.HasPrefix(q.Source, "git+"):
			c.add(p, LockFromGit, "is from %q in git, and the registry's as published", q.Source)
			return
		}
	}
	if version, ok := c.folders[p.Name]; ok {
		c.add(p, LockSibling, "lies beside the crate in git, there in version %s, and is the registry's as published", version)
		return
	}
	c.add(p, LockResolved, "is not in git's lock: it was chosen when publishing")
}

func (c *lockComparison) add(p lockfile.Package, kind LockKind, format string, args ...any) {
	c.found = append(c.found, LockDifference{
		Package: p, Kind: kind,
		Message: fmt.Sprintf("`%s %s` ", p.Name, p.Version) + fmt.Sprintf(format, args...),
	})
}

func lockID(p lockfile.Package) string {
	source := p.Source
	if FromCratesIO(source) {
		source = cratesIO[0]
	}
	return p.Name + " " + p.Version + " " + source
}

// FromCratesIO reports whether the source of a locked package is crates.io.
func FromCratesIO(source string) bool { return source != "" && isCratesIO(source) }
