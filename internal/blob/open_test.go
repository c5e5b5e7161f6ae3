package blob

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"github.com/cratefence/cratefence/internal/crate"
)

func TestOpen(t *testing.T) {
	f, err := New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data := bytes.Repeat([]byte("crate"), 1000)
	if err := f.Put(t.Context(), crate.Sum(data), data); err != nil {
		t.Fatal(err)
	}
	body, size, err := f.Open(t.Context(), crate.Sum(data))
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if got, err := io.ReadAll(body); err != nil || !bytes.Equal(got, data) || size != int64(len(data)) {
		t.Errorf("%d bytes of %d, %v", len(got), size, err)
	}
	if _, _, err := f.Open(t.Context(), crate.Sum(nil)); !errors.Is(err, ErrNotFound) {
		t.Errorf("Open of what is not there = %v, want ErrNotFound", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := f.Open(gone, crate.Sum(data)); !errors.Is(err, context.Canceled) {
		t.Errorf("Open for nobody = %v, want context.Canceled", err)
	}
	folder, _ := location(crate.Sum([]byte("x")))
	if err := f.root.MkdirAll(folder+"/"+crate.Sum([]byte("x")).String(), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.Open(t.Context(), crate.Sum([]byte("x"))); !errors.Is(err, ErrCorrupt) {
		t.Errorf("Open of a folder = %v, want ErrCorrupt", err)
	}
}
