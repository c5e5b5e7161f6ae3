package crate

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// checkPath says by which rule a path is refused, or "" and "".
func checkPath(path string, limit int) (rule, why string) {
	switch {
	case path == "":
		return RulePath, "an entry without a path"
	case len(path) > limit:
		return RulePath, fmt.Sprintf("a path of %d bytes, over the limit of %d", len(path), limit)
	case !utf8.ValidString(path):
		return RulePathCharacter, "the path is not UTF-8"
	case strings.HasPrefix(path, "/"):
		return RulePath, "an absolute path"
	}
	for _, r := range path {
		if r == '\\' || r == ':' || unicode.IsControl(r) {
			return RulePathCharacter, fmt.Sprintf("the path holds the character %q", r)
		}
	}
	base := path[strings.LastIndexByte(path, '/')+1:]
	if i := strings.IndexAny(base, `<>"|?*`); i >= 0 {
		return RulePathCharacter, fmt.Sprintf("the file name holds the character %q", base[i])
	}
	for part := range strings.SplitSeq(path, "/") {
		if part == "" || part == "." || part == ".." {
			return RulePath, fmt.Sprintf("the path has the part %q", part)
		}
	}
	return "", ""
}

// notePath notes what is odd about an acceptable path; spelled is the path as
// the archive has it.
func notePath(path, spelled string, found *problems) {
	if path[strings.LastIndexByte(path, '/')+1:] == unpackMark {
		found.note(NoteUnpackMark, spelled, "cargo leaves this file out when it unpacks the crate")
	}
	for part := range strings.SplitSeq(path, "/") {
		if isWindowsName(part) {
			found.note(NoteWindows, spelled, "the name %q cannot be unpacked on Windows as it stands", part)
			break
		}
	}
	for _, r := range path {
		if r >= utf8.RuneSelf && (unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029') {
			found.note(NoteInvisible, spelled, "the path holds the invisible character %U", r)
			break
		}
	}
}

// isWindowsName reports whether Windows gives the name another meaning: device
// names with any extension, trailing dots and spaces. cargo only warns of them.
func isWindowsName(name string) bool {
	if strings.HasSuffix(name, ".") || strings.HasSuffix(name, " ") || strings.ContainsAny(name, `<>"|?*`) {
		return true
	}
	stem, _, _ := strings.Cut(name, ".")
	switch stem = strings.ToUpper(strings.TrimRight(stem, " ")); stem {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	if digit, ok := strings.CutPrefix(stem, "COM"); ok {
		return isDeviceDigit(digit)
	}
	digit, ok := strings.CutPrefix(stem, "LPT")
	return ok && isDeviceDigit(digit)
}

func isDeviceDigit(s string) bool {
	return len(s) == 1 && '0' <= s[0] && s[0] <= '9' || s == "¹" || s == "²" || s == "³"
}

// pathSet finds paths that a file system may take for one another.
type pathSet []setPath

type setPath struct {
	path   string
	data   []byte // of a file
	key    string // folded, with parts separated by NUL: a folder's key sorts right before its content's
	folder bool
}

func (s *pathSet) addFile(path string, data []byte) {
	*s = append(*s, setPath{path: path, data: data, key: foldedKey(path)})
}

func (s *pathSet) addFolder(path string) {
	*s = append(*s, setPath{path: path, key: foldedKey(path), folder: true})
}

func foldedKey(path string) string { return strings.ReplaceAll(foldCase(path), "/", "\x00") }

// check compares neighbours in the order of the folded paths: there, equal
// paths, and a file and what lies in the folder of its name, are adjacent.
func (s pathSet) check(found *problems) {
	if !slices.IsSortedFunc(s, byParts) {
		found.note(NoteOrder, "", "the entries are not sorted by path")
	}
	manifest := foldCase(ManifestFile)
	for _, p := range s {
		if p.key == manifest && p.path != ManifestFile {
			found.add(RuleManifestCase, p.path, "a manifest that is not spelled %q: only some file systems find it", ManifestFile)
		}
	}
	slices.SortStableFunc(s, func(a, b setPath) int { return strings.Compare(a.key, b.key) })
	for i := 1; i < len(s); i++ {
		comparePaths(s[i-1], s[i], found)
	}
}

func comparePaths(a, b setPath, found *problems) {
	switch {
	case a.folder && b.folder && a.path == b.path: // two entries for one directory change nothing
	case a.key == b.key && a.folder != b.folder, !a.folder && strings.HasPrefix(b.key, a.key+"\x00"):
		found.add(RuleFileAndFolder, b.path, "%q is a file and also a folder", a.path)
	case a.key != b.key:
		noteFolderCase(a.path, b.path, found)
	case a.path == b.path:
		found.add(RuleDuplicate, b.path, "the archive has two entries of this path; which one wins differs by program")
	case a.folder:
		found.note(NoteFolderCase, b.path, "a folder that is also spelled %q", a.path)
	case bytes.Equal(a.data, b.data):
		// Cargo writes such pairs itself where the author's disk ignores case and the
		// manifest spells the readme otherwise.
		found.note(NoteCaseTwin, b.path, "also stands as %q, with the same bytes", a.path)
	default:
		found.add(RuleCaseCollision, b.path, "the path differs from %q only in case or in how accents are encoded: one overwrites the other on some systems", a.path)
	}
}

// noteFolderCase notes the first folder that two paths share in all but case.
func noteFolderCase(a, b string, found *problems) {
	for {
		partA, restA, okA := strings.Cut(a, "/")
		partB, restB, okB := strings.Cut(b, "/")
		if !okA || !okB || partA != partB && foldCase(partA) != foldCase(partB) {
			return
		}
		if partA != partB {
			found.note(NoteFolderCase, "", "a folder is spelled both %q and %q", partA, partB)
			return
		}
		a, b = restA, restB
	}
}

// byParts orders paths as cargo does: part by part.
func byParts(a, b setPath) int {
	for i := 0; i < len(a.path) && i < len(b.path); i++ {
		x, y := a.path[i], b.path[i]
		switch {
		case x == y:
		case x == '/':
			return -1
		case y == '/':
			return 1
		default:
			return cmp.Compare(x, y)
		}
	}
	return cmp.Compare(len(a.path), len(b.path))
}

// foldCase maps names that some file system takes for one another to one
// string: names that differ in case (Windows, macOS) or in how their accents are
// encoded (macOS). In ASCII it is the upper case.
func foldCase(s string) string {
	ascii := true
	for i := range len(s) {
		ascii = ascii && s[i] < utf8.RuneSelf
	}
	if ascii {
		return strings.ToUpper(s)
	}
	return norm.NFD.String(strings.Map(leastFold, norm.NFD.String(s)))
}

// leastFold returns the least rune that Unicode's simple case folding makes
// equal to r.
func leastFold(r rune) rune {
	least := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		least = min(least, next)
	}
	return least
}
