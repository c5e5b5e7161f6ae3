package crate

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzRead holds the reader against archive/tar: what we accept and it reads
// too, both read alike. It is given tar streams and compresses them itself, or
// the fuzzer would see little but damaged gzip.
func FuzzRead(f *testing.F) {
	ustar := func(h *header) { copy(h[257:], magicUSTAR); copy(h.prefix(), "foo-1.0.0") }
	for _, entries := range [][]entry{
		{file("Cargo.toml", fooManifest), file("src/lib.rs", "x")},
		longNamed("foo-1.0.0/" + strings.Repeat("a/", 60) + "b"),
		{entry{name: "foo-1.0.0/", kind: '5'}, file("a", "")},
		{entry{name: "a", edit: ustar}},
		{edited(func(h *header) { copy(h[257:], magicV7) })},
		{edited(func(h *header) { copy(h[345:], "00000000001\x00") })},
		{entry{name: "pax", kind: 'x', body: "20 path=foo-1.0.0/b\n"}, file("a", "")},
		{entry{name: "foo-1.0.0/l", kind: '2'}},
	} {
		f.Add(stream(entries...))
	}
	lim := Limits{Packed: 1 << 20, Unpacked: 1 << 20, Files: 100, Path: 200}
	f.Fuzz(func(t *testing.T, data []byte) {
		data = withChecksums(data)
		ours, err := Read(gzipped(t, data), foo, lim)
		if err != nil {
			return
		}
		theirs, err := readStandard(data)
		if err != nil {
			return // stricter than we are, which a second reader may be
		}
		if diff := cmp.Diff(theirs, ours.Files); diff != "" {
			t.Errorf("(-archive/tar +ours):\n%s", diff)
		}
	})
}

// withChecksums lets the fuzzer get past a header that it has changed.
func withChecksums(data []byte) []byte {
	data = slices.Clone(data)
	for i := 0; i+blockSize <= len(data); i += blockSize {
		if h := (*header)(data[i:]); strings.HasPrefix(h.magic(), "ustar") {
			copy(h.sum(), fmt.Sprintf("%06o\x00 ", h.checksum()))
		}
	}
	return data
}

func readStandard(data []byte) ([]File, error) {
	var files []File
	r := tar.NewReader(bytes.NewReader(data))
	for {
		h, err := r.Next()
		if err == io.EOF {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		if h.Typeflag == tar.TypeReg {
			path := strings.TrimPrefix(h.Name, "foo-1.0.0/")
			files = append(files, File{Path: path, Executable: h.Mode&0o111 != 0, Data: body})
		}
	}
}

// FuzzReadGzip gives the reader whole .crate files.
func FuzzReadGzip(f *testing.F) {
	whole := gzipped(f, stream(file("a", "a")))
	f.Add(whole)
	f.Add(slices.Concat(whole, whole))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := Read(data, foo, Limits{Packed: 1 << 20, Unpacked: 1 << 20, Files: 100, Path: 200})
		if (a == nil) == (err == nil) {
			t.Errorf("got %v and %v", a, err)
		}
	})
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(fooManifest))
	f.Add([]byte("[project]\nname = 'a'\nversion.workspace = true\n[[bin]]\nname='x'\n[bin.y]\n[dependencies]\na = {version='1'}\n[target.'cfg(a)'.dependencies.b]\nc=1\n"))
	f.Add([]byte("a = '''x\n''' # c\n\"b\\\"\".c = [{d=1}, [1.5, 2.5]]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ParseManifest(data)
		if err != nil {
			return
		}
		lines := bytes.Count(data, []byte("\n")) + 1
		for _, d := range m.Dependencies {
			if d.Line < 0 || d.Line > lines {
				t.Errorf("dependency %q is on line %d of %d", d.Key, d.Line, lines)
			}
		}
	})
}

func FuzzVCSInfo(f *testing.F) {
	f.Add([]byte(`{"git":{"sha1":"` + sha1 + `","dirty":true},"path_in_vcs":"crates/foo"}`))
	f.Add([]byte(`{"git":{"sha1":"` + sha1 + `"},"x":[1,{"y":null}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		info, err := ParseVCSInfo(data)
		if err != nil {
			return
		}
		if !isObjectID(info.SHA1) || info.PathInVCS != nil && !isCleanFolder(*info.PathInVCS) {
			t.Errorf("accepted %+v", info)
		}
	})
}

func FuzzVersion(f *testing.F) {
	for _, s := range []string{"1.2.3", "0.0.0-alpha.1+b.007", "1.0.0--", "1.0.0+a", "1.0.0-0a.1"} {
		f.Add(s, "1.0.0-1.a+0.00")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		v, err := ParseVersion(a)
		if err != nil {
			return
		}
		if v.String() != a {
			t.Errorf("%q is written %q", a, v)
		}
		w, err := ParseVersion(b)
		if err != nil {
			return
		}
		if v.Compare(w) != -w.Compare(v) || (v.Compare(w) == 0) != (a == b) {
			t.Errorf("%q against %q: %d, and back %d", a, b, v.Compare(w), w.Compare(v))
		}
	})
}
