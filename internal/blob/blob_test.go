package blob

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/crate"
)

const noLimit = 1 << 40

func openTest(t testing.TB, dir string) *Folder {
	t.Helper()
	f, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func put(t testing.TB, f *Folder, data []byte) crate.Checksum {
	t.Helper()
	sum := crate.Sum(data)
	if err := f.Put(t.Context(), sum, data); err != nil {
		t.Fatal(err)
	}
	return sum
}

// files lists a folder's files with their modes.
func files(t testing.TB, dir string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		list = append(list, info.Mode().String()+" "+filepath.ToSlash(name))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestPutGet(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data", "blobs")
	f := openTest(t, dir)
	for _, data := range [][]byte{{}, []byte("a"), []byte("some crate"), bytes.Repeat([]byte("x"), 3<<20)} {
		sum := put(t, f, data)
		put(t, f, data) // is there already
		for _, limit := range []int64{int64(len(data)), noLimit} {
			got, err := f.Get(t.Context(), sum, limit)
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("Get of %d bytes, limit %d = %d bytes, %v", len(data), limit, len(got), err)
			}
		}
	}
	got := files(t, dir)
	want := []string{
		"drwx------ .",
		"drwx------ ca", "drwx------ ca/97", "-rw------- ca/97/ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb",
		"drwx------ tmp",
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("no %q in the folder:\n%s", line, strings.Join(got, "\n"))
		}
	}
	if slices.ContainsFunc(got, func(line string) bool { return strings.Contains(line, " tmp/") }) {
		t.Errorf("scratch files are left:\n%s", strings.Join(got, "\n"))
	}
}

func TestRefused(t *testing.T) {
	dir := t.TempDir()
	f := openTest(t, dir)
	data := []byte("some crate")
	sum := put(t, f, data)
	_, name := location(sum)
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	spoil := func(content string) func() {
		return func() {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := []struct {
		name  string
		spoil func()
		call  func() error
		want  error
	}{
		{"put under another checksum", nil, func() error { return f.Put(t.Context(), sum, []byte("other")) }, ErrChecksum},
		{"put under no checksum", nil, func() error { return f.Put(t.Context(), crate.Checksum{}, data) }, ErrChecksum},
		{"put, canceled", nil, func() error { return f.Put(canceled, sum, data) }, context.Canceled},
		{"get, canceled", nil, func() error { _, err := f.Get(canceled, sum, noLimit); return err }, context.Canceled},
		{"get what is not there", nil, func() error { _, err := f.Get(t.Context(), crate.Sum(nil), noLimit); return err }, ErrNotFound},
		{"get over the limit", nil, func() error { _, err := f.Get(t.Context(), sum, int64(len(data)-1)); return err }, ErrTooLarge},
		{"get with no limit left", nil, func() error { _, err := f.Get(t.Context(), sum, 0); return err }, ErrTooLarge},
		{"a bit has turned", spoil("some crath"), func() error { _, err := f.Get(t.Context(), sum, noLimit); return err }, ErrCorrupt},
		{"cut off", spoil("some"), func() error { _, err := f.Get(t.Context(), sum, noLimit); return err }, ErrCorrupt},
		{"emptied", spoil(""), func() error { _, err := f.Get(t.Context(), sum, noLimit); return err }, ErrCorrupt},
		{"put heals what was cut off", nil, func() error { return f.Put(t.Context(), sum, data) }, nil},
		{"and it is whole again", nil, func() error { _, err := f.Get(t.Context(), sum, noLimit); return err }, nil},
	}
	for _, tt := range tests {
		if tt.spoil != nil {
			tt.spoil()
		}
		if err := tt.call(); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

// What a crash left in the scratch folder is never taken for a blob, and goes
// when the folder is opened next, unless somebody may still be writing it.
func TestCrashLeftovers(t *testing.T) {
	dir := t.TempDir()
	openTest(t, dir)
	for name, age := range map[string]time.Duration{"old": 2 * abandoned, "young": 0} {
		path := filepath.Join(dir, scratch, name)
		if err := os.WriteFile(path, []byte("half a cra"), 0o600); err != nil {
			t.Fatal(err)
		}
		then := time.Now().Add(-age)
		if err := os.Chtimes(path, then, then); err != nil {
			t.Fatal(err)
		}
	}
	f := openTest(t, dir)
	if _, err := f.Get(t.Context(), crate.Sum([]byte("half a cra")), noLimit); !errors.Is(err, ErrNotFound) {
		t.Errorf("Get of a leftover = %v, want ErrNotFound", err)
	}
	want := []string{"drwx------ tmp", "-rw------- tmp/young"}
	if diff := cmp.Diff(want, files(t, dir)[1:]); diff != "" {
		t.Errorf("after a sweep (-want +got):\n%s", diff)
	}
}

// A link planted in the folder leads nowhere outside it.
func TestLinks(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	f := openTest(t, dir)
	data := []byte("some crate")
	folder, name := location(crate.Sum(data))
	if err := os.WriteFile(filepath.Join(outside, "secret"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, folder), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(outside, "secret"), filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
	if got, err := f.Get(t.Context(), crate.Sum(data), noLimit); err == nil {
		t.Errorf("Get through a link = %q", got)
	}
	put(t, f, data) // puts a file in the link's place
	if _, err := f.Get(t.Context(), crate.Sum(data), noLimit); err != nil {
		t.Error(err)
	}
}

func TestPutAtOnce(t *testing.T) {
	f := openTest(t, t.TempDir())
	data := bytes.Repeat([]byte("x"), 1<<16)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := f.Put(t.Context(), crate.Sum(data), data); err != nil {
				t.Error(err)
			}
			if _, err := f.Get(t.Context(), crate.Sum(data), noLimit); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestNewRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(file); err == nil || !strings.Contains(err.Error(), "open blob folder") {
		t.Errorf("New on a file = %v, want an error that says what it is about", err)
	}
}

func BenchmarkPut(b *testing.B) {
	f := openTest(b, b.TempDir())
	data := bytes.Repeat([]byte("x"), 256<<10)
	b.SetBytes(int64(len(data)))
	for n := 0; b.Loop(); n++ {
		data[0], data[1], data[2] = byte(n), byte(n>>8), byte(n>>16)
		put(b, f, data)
	}
}

func BenchmarkGet(b *testing.B) {
	f := openTest(b, b.TempDir())
	data := bytes.Repeat([]byte("x"), 256<<10)
	sum := put(b, f, data)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := f.Get(b.Context(), sum, noLimit); err != nil {
			b.Fatal(err)
		}
	}
}
