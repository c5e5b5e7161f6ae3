package crate

import "fmt"

// A Problem is something in an archive that cargo would not write.
type Problem struct {
	Rule    string // stable name, as in a finding
	Path    string // the entry, as the archive spells it or below the crate; may hold anything
	Message string
}

// The rules for which an archive is refused: cargo or crates.io refuses it too,
// or two programs could read different files out of it.
const (
	RulePackedSize    = "packed-size"     // the .crate is over the limit
	RuleUnpackedSize  = "unpacked-size"   // it inflates to more than the limit
	RuleFileCount     = "file-count"      // more entries than the limit
	RuleGzip          = "gzip"            // not gzip, damaged or cut short
	RuleTrailingData  = "trailing-data"   // bytes after the gzip member or after the end of the archive
	RuleTruncated     = "truncated"       // the archive ends inside an entry or without an end mark
	RuleHeader        = "header"          // a header with a bad checksum, magic or number
	RuleExtension     = "extension"       // PAX and GNU extensions that cargo does not write
	RuleEntryType     = "entry-type"      // links, devices: anything but a file or directory
	RuleLongName      = "long-name"       // a GNU long name that nothing or no single name follows
	RuleOutside       = "outside"         // not under NAME-VERSION/
	RulePath          = "path"            // absolute, "..", ".", empty parts, too long
	RulePathCharacter = "path-character"  // not UTF-8, control characters, characters cargo refuses
	RuleDuplicate     = "duplicate"       // two entries of one path
	RuleCaseCollision = "case-collision"  // paths that differ only in case
	RuleFileAndFolder = "file-and-folder" // a file that is also another entry's folder
	RuleManifestCase  = "manifest-case"   // Cargo.toml in other letters
)

// The rules of notes: unusual, but every program reads the same files. Honest
// crates have them, the more the older the cargo that wrote them.
const (
	NoteDirectory  = "directory-entry"
	NoteFormat     = "header-format"  // ustar or v7 where cargo writes GNU
	NoteEnd        = "end-mark"       // not exactly two zero blocks
	NoteMode       = "mode"           // neither 0644 nor 0755
	NoteOwner      = "owner"          // a user or group other than 0
	NoteSlack      = "header-slack"   // bytes in parts of a header that nobody reads
	NoteOrder      = "order"          // entries not sorted
	NoteWindows    = "windows-name"   // cannot be unpacked on Windows
	NoteInvisible  = "path-invisible" // invisible or direction-changing characters
	NoteCaseTwin   = "case-twin"      // two files whose paths differ only in case, with the same bytes
	NoteFolderCase = "folder-case"    // one folder in two spellings
	NoteUnpackMark = "unpack-mark"    // .cargo-ok, which cargo leaves out when it unpacks
)

const (
	maxProblems        = 100
	maxProblemsPerRule = 20
)

// problems collects what is wrong and what is merely noted.
type problems struct {
	kept    []Problem
	perRule map[string]int
	more    int
	noted   []note
}

// A note stands for all entries that share its rule, or an archive of an old
// cargo would give several for every file.
type note struct {
	Problem
	others int
}

func (p *problems) add(rule, path, format string, args ...any) {
	if p.perRule == nil {
		p.perRule = map[string]int{}
	}
	p.perRule[rule]++
	if len(p.kept) >= maxProblems || p.perRule[rule] > maxProblemsPerRule {
		p.more++
		return
	}
	p.kept = append(p.kept, Problem{Rule: rule, Path: path, Message: fmt.Sprintf(format, args...)})
}

func (p *problems) note(rule, path, format string, args ...any) {
	for i := range p.noted {
		if p.noted[i].Rule == rule {
			p.noted[i].others++
			return
		}
	}
	p.noted = append(p.noted, note{Problem: Problem{Rule: rule, Path: path, Message: fmt.Sprintf(format, args...)}})
}

// err returns a *FormatError, or nil where no problem was found.
func (p *problems) err() error {
	if len(p.kept) == 0 {
		return nil
	}
	return &FormatError{Problems: p.kept, More: p.more}
}

func (p *problems) notes() []Problem {
	var out []Problem
	for _, n := range p.noted {
		switch n.others {
		case 0:
		case 1:
			n.Message += ", and 1 more entry like it"
		default:
			n.Message += fmt.Sprintf(", and %d more entries like it", n.others)
		}
		out = append(out, n.Problem)
	}
	return out
}
