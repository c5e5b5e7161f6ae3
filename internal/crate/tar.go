package crate

import (
	"bytes"
	"strings"
)

// The parts of a tar header (POSIX.1-1988 "ustar", and GNU's of the same time).
const (
	blockSize = 512

	typeRegular  = '0'
	typeOld      = 0 // a regular file, in archives older than POSIX
	typeHardLink = '1'
	typeSymlink  = '2'
	typeFolder   = '5'
	typeSparse   = 'S'
	typeLongName = 'L' // GNU: the next entry's path, in the body
	typeLongLink = 'K'
	typePAX      = 'x'
	typePAXAll   = 'g'

	magicGNU   = "ustar  \x00"
	magicUSTAR = "ustar\x0000"
	magicV7    = "\x00\x00\x00\x00\x00\x00\x00\x00"

	longNameEntry = "././@LongLink"

	typeBits = 0o170000 // of Unix, which cargo before 1.50 left in the mode
)

type header [blockSize]byte

func (h *header) name() []byte  { return h[0:100] }
func (h *header) mode() []byte  { return h[100:108] }
func (h *header) uid() []byte   { return h[108:116] }
func (h *header) gid() []byte   { return h[116:124] }
func (h *header) size() []byte  { return h[124:136] }
func (h *header) mtime() []byte { return h[136:148] }
func (h *header) sum() []byte   { return h[148:156] }
func (h *header) kind() byte    { return h[156] }
func (h *header) link() []byte  { return h[157:257] }
func (h *header) magic() string { return string(h[257:265]) }

// GNU's extensions stand where ustar has the prefix of the path.
func (h *header) prefix() []byte    { return h[345:500] }
func (h *header) afterUser() []byte { return h[345:] }
func (h *header) gnuTimes() []byte  { return h[345:369] }
func (h *header) gnuMore() []byte   { return h[369:] }

// tarReader walks the entries of a tar stream that was read into memory.
//
// It understands only what cargo writes and has written, and says of everything
// else that it is a problem, going on for as long as the next entry can be
// found, so that a report is complete.
type tarReader struct {
	stream []byte
	root   string // "NAME-VERSION/"
	lim    Limits
	found  *problems

	pos     int
	entries int
	long    *string // path of the next entry, from a GNU long name
	files   []File
	paths   pathSet
}

func (t *tarReader) read() {
	for {
		h, ok := t.nextHeader()
		if !ok {
			return
		}
		if t.entries++; t.entries > t.lim.Files {
			t.found.add(RuleFileCount, "", "the archive has more than %d entries", t.lim.Files)
			return
		}
		body, ok := t.body(h)
		if !ok {
			return
		}
		t.entry(h, body)
	}
}

// nextHeader returns the next header, or false at the end of what can be read.
func (t *tarReader) nextHeader() (*header, bool) {
	rest := t.stream[t.pos:]
	if len(rest) < blockSize {
		t.found.add(RuleTruncated, "", "the archive ends after %d bytes without an end mark", len(t.stream))
		return nil, false
	}
	h := (*header)(rest)
	if *h == (header{}) {
		t.end(rest)
		return nil, false
	}
	if sum, ok := octal(h.sum()); !ok || sum != h.checksum() {
		t.found.add(RuleHeader, "", "the header at byte %d has a wrong checksum", t.pos)
		return nil, false
	}
	t.pos += blockSize
	return h, true
}

// end looks at what follows the first zero block. cargo's reader stops there,
// others want two: so there may be nothing but zeros.
func (t *tarReader) end(rest []byte) {
	if t.long != nil {
		t.found.add(RuleLongName, *t.long, "a long name at the end of the archive belongs to no entry")
	}
	if !isZero(rest) {
		t.found.add(RuleTrailingData, "", "data follows the end mark of the archive at byte %d", t.pos)
		return
	}
	if len(rest) != 2*blockSize {
		t.found.note(NoteEnd, "", "the archive ends with %d zero bytes where cargo writes %d", len(rest), 2*blockSize)
	}
}

// body returns the bytes that belong to the header, and steps over them.
func (t *tarReader) body(h *header) ([]byte, bool) {
	size, ok := octal(h.size())
	if !ok {
		t.found.add(RuleHeader, t.spelled(h), "the size in the header is not an octal number: %q", h.size())
		return nil, false
	}
	rest := t.stream[t.pos:]
	padded := (size + blockSize - 1) / blockSize * blockSize
	if padded > int64(len(rest)) {
		t.found.add(RuleTruncated, t.spelled(h), "the archive ends inside an entry of %d bytes", size)
		return nil, false
	}
	t.pos += int(padded)
	if !isZero(rest[size:padded]) {
		t.found.note(NoteSlack, t.spelled(h), "the padding after the entry is not zero")
	}
	return rest[:size:size], true
}

// spelled is the path that a header gives, for messages: unchecked.
func (t *tarReader) spelled(h *header) string {
	if t.long != nil {
		return *t.long
	}
	name := string(cString(h.name()))
	if h.magic() == magicUSTAR {
		if prefix := cString(h.prefix()); len(prefix) > 0 {
			return string(prefix) + "/" + name
		}
	}
	return name
}

func (t *tarReader) entry(h *header, body []byte) {
	path := t.spelled(h)
	t.checkHeader(h, path)
	switch kind := h.kind(); kind {
	case typeLongName:
		t.longName(h, body)
		return // it has no path of its own
	case typeRegular, typeOld:
		t.file(h, path, body)
	case typeFolder:
		t.folder(path, body)
	case typePAX, typePAXAll:
		t.found.add(RuleExtension, path, "a PAX header, which programs apply differently")
		return // the long name, if any, belongs to the entry after it
	case typeSparse:
		t.found.add(RuleExtension, path, "a sparse file")
	case typeHardLink, typeSymlink, typeLongLink:
		t.found.add(RuleEntryType, path, "a link to %q; a crate holds only regular files", cString(h.link()))
	default:
		t.found.add(RuleEntryType, path, "an entry of type %q; a crate holds only regular files", kind)
	}
	t.long = nil
}

func (t *tarReader) file(h *header, path string, body []byte) {
	if strings.HasSuffix(path, "/") {
		t.found.add(RuleEntryType, path, "a file that is named like a directory")
		return
	}
	rel, ok := t.relative(path)
	if !ok {
		return
	}
	mode, _ := octal(h.mode())
	mode &^= typeBits
	if mode != 0o644 && mode != 0o755 {
		t.found.note(NoteMode, path, "the mode is %#o where cargo writes 0644 or 0755", mode)
	}
	t.paths.addFile(rel, body)
	t.files = append(t.files, File{Path: rel, Executable: mode&0o111 != 0, Data: body})
}

func (t *tarReader) folder(path string, body []byte) {
	if len(body) > 0 { // skipped by some readers, and read as the next header by others
		t.found.add(RuleEntryType, path, "a directory that has %d bytes of its own", len(body))
	}
	t.found.note(NoteDirectory, path, "an entry for a directory, where cargo writes only files")
	if path+"/" == t.root || path == t.root {
		return
	}
	if rel, ok := t.relative(strings.TrimSuffix(path, "/")); ok {
		t.paths.addFolder(rel)
	}
}

// relative checks a path and takes the root folder off it.
func (t *tarReader) relative(path string) (string, bool) {
	if rule, why := checkPath(path, t.lim.Path); rule != "" {
		t.found.add(rule, path, "%s", why)
		return "", false
	}
	rel, inside := strings.CutPrefix(path, t.root)
	if !inside {
		t.found.add(RuleOutside, path, "the entry is not under %q", t.root)
		return "", false
	}
	notePath(rel, path, t.found)
	return rel, true
}

func (t *tarReader) longName(h *header, body []byte) {
	name, terminated := bytes.CutSuffix(body, []byte{0})
	switch {
	case t.long != nil:
		t.found.add(RuleLongName, *t.long, "two long names for one entry")
	case h.magic() != magicGNU:
		t.found.add(RuleLongName, "", "a GNU long name in an archive of another format")
	case len(name) > t.lim.Path:
		t.found.add(RulePath, string(name[:t.lim.Path]), "a path of %d bytes, over the limit of %d", len(name), t.lim.Path)
		name = name[:t.lim.Path]
	case bytes.IndexByte(name, 0) >= 0:
		t.found.add(RuleLongName, string(cString(name)), "a long name with a NUL inside")
	}
	if !terminated {
		t.found.note(NoteSlack, string(name), "a long name without its final NUL")
	}
	if string(cString(h.name())) != longNameEntry {
		t.found.note(NoteSlack, string(name), "a long name whose own entry is not called %q", longNameEntry)
	}
	long := string(name)
	t.long = &long
}
