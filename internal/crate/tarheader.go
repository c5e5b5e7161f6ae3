package crate

import "bytes"

// checkHeader looks at what every header shares, whatever its type.
func (t *tarReader) checkHeader(h *header, path string) {
	switch h.magic() {
	case magicGNU:
		t.checkGNU(h, path)
	case magicUSTAR:
		t.found.note(NoteFormat, path, "a ustar header where cargo writes GNU's")
		if !isZero(h[500:]) { // the star format keeps a shorter prefix and its own magic here
			t.found.add(RuleHeader, path, "a ustar header with data after its prefix")
		}
	case magicV7:
		t.found.note(NoteFormat, path, "a header without magic, older than POSIX, where cargo writes GNU's")
		if !isZero(h[265:]) {
			t.found.add(RuleHeader, path, "a header without magic that has POSIX fields")
		}
	default:
		t.found.add(RuleHeader, path, "a header with the unknown magic %q", h.magic())
	}
	t.checkNumbers(h, path)
	if name := h.name(); !isZero(name[len(cString(name)):]) {
		t.found.note(NoteSlack, path, "bytes after the end of the name in the header")
	}
	if kind := h.kind(); (kind == typeRegular || kind == typeOld) && h.link()[0] != 0 {
		t.found.note(NoteSlack, path, "a file whose header names a link target")
	}
}

// checkGNU refuses what Go and GNU tar read at the end of a GNU header and
// cargo does not: old sparse maps, and a path prefix that is not GNU's at all.
func (t *tarReader) checkGNU(h *header, path string) {
	if isZero(h.afterUser()) {
		return
	}
	times := h.gnuTimes()
	if !isNumber(times[:12]) || !isNumber(times[12:]) || !isZero(h.gnuMore()) {
		t.found.add(RuleExtension, path, "GNU extension fields that cargo does not write")
		return
	}
	t.found.note(NoteSlack, path, "access times in the header, which cargo does not write")
}

func (t *tarReader) checkNumbers(h *header, path string) {
	if !isNumber(h.mode()) || !isNumber(h.mtime()) {
		t.found.add(RuleHeader, path, "the mode or time in the header is not an octal number")
	}
	uid, uidOK := ownerID(h.uid())
	gid, gidOK := ownerID(h.gid())
	switch {
	case !uidOK || !gidOK:
		t.found.add(RuleHeader, path, "the owner in the header is not an octal number")
	case uid != 0 || gid != 0:
		t.found.note(NoteOwner, path, "the owner is not 0, as cargo writes, but the publisher's own")
	}
}

// ownerID reads a user or group id, 0 where it was left empty. Ids over 2097151
// have no octal form: they are common in large organisations and nobody unpacks
// by them, so here alone base 256 is let pass, as that number.
func ownerID(field []byte) (int64, bool) {
	const mostOctal = 0o7777777
	switch {
	case isZero(field):
		return 0, true
	case field[0] == 0x80:
		return mostOctal, true
	}
	return octal(field)
}

// checksum sums the header as unsigned bytes, with its own field as spaces. The
// sum over signed bytes, which some readers allow, is not allowed.
func (h *header) checksum() int64 {
	var sum int64
	for _, b := range h {
		sum += int64(b)
	}
	for _, b := range h.sum() {
		sum += ' ' - int64(b)
	}
	return sum
}

// octal reads a number that every tar reader reads alike: octal digits, with
// spaces before and only spaces and NULs after them.
func octal(field []byte) (int64, bool) {
	field = bytes.TrimLeft(field, " ")
	var n int64
	digits := 0
	for digits < len(field) && '0' <= field[digits] && field[digits] <= '7' {
		n = n<<3 | int64(field[digits]-'0') // at most 12 digits: no overflow
		digits++
	}
	if digits == 0 || len(bytes.Trim(field[digits:], " \x00")) > 0 {
		return 0, false
	}
	return n, true
}

// isNumber reports whether the field is an octal number or was left empty.
func isNumber(field []byte) bool {
	_, ok := octal(field)
	return ok || isZero(field)
}

// cString cuts a field at its first NUL.
func cString(field []byte) []byte {
	if i := bytes.IndexByte(field, 0); i >= 0 {
		return field[:i]
	}
	return field
}

var zeros [blockSize]byte

func isZero(b []byte) bool {
	for len(b) > blockSize {
		if [blockSize]byte(b) != zeros {
			return false
		}
		b = b[blockSize:]
	}
	return bytes.Equal(b, zeros[:len(b)])
}
