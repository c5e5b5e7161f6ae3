package crate

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func writeFiles(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for path, text := range files {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReadDir(t *testing.T) {
	root := t.TempDir()
	writeFiles(t, root, map[string]string{
		"src/lib.rs":           "lib",
		"src.rs":               "",
		"Cargo.toml":           fooManifest,
		".cargo-ok":            "ok",
		".cargo-checksum.json": "{}",
		"sub/.cargo-ok":        "the author's",
	})
	if err := os.Chmod(filepath.Join(root, "src.rs"), 0o755); err != nil {
		t.Fatal(err)
	}
	got, err := ReadDir(root, DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	want := []File{
		{Path: "Cargo.toml", Data: []byte(fooManifest)},
		{Path: "src.rs", Executable: true, Data: []byte{}},
		{Path: "src/lib.rs", Data: []byte("lib")},
		{Path: "sub/.cargo-ok", Data: []byte("the author's")},
	}
	if diff := cmp.Diff(want, got.Files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if len(got.Notes) != 1 || got.Notes[0].Rule != NoteUnpackMark {
		t.Errorf("notes %q, want one of %q", got.Notes, NoteUnpackMark)
	}
	if got.File("src/lib.rs") == nil {
		t.Error("src/lib.rs is not found by its path")
	}
}

func TestReadDirRefuses(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := func(to string) func(*testing.T, string) {
		return func(t *testing.T, root string) {
			if err := os.Symlink(to, filepath.Join(root, "link")); err != nil {
				t.Skip(err)
			}
		}
	}
	write := func(files map[string]string) func(*testing.T, string) {
		return func(t *testing.T, root string) { writeFiles(t, root, files) }
	}
	lim := Limits{Unpacked: 100, Files: 10, Path: 50}
	tests := []struct {
		name  string
		setUp func(*testing.T, string)
		want  string
	}{
		{"link outside", link(outside), RuleEntryType},
		{"link inside", link("src"), RuleEntryType},
		{"too much", write(map[string]string{"a": string(make([]byte, 60)), "b": string(make([]byte, 60))}), RuleUnpackedSize},
		{"too many", write(map[string]string{"1": "", "2": "", "3": "", "4": "", "5": "", "6": "", "7": "", "8": "", "9": "", "a/b": ""}), RuleFileCount},
		{"backslash", write(map[string]string{`a\b`: ""}), RulePathCharacter},
		{"deep", write(map[string]string{filepath.Join("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"): ""}), RulePath},
		{"manifest in other letters", write(map[string]string{"cargo.toml": ""}), RuleManifestCase},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			root := t.TempDir()
			test.setUp(t, root)
			_, err := ReadDir(root, lim)
			refused, ok := errors.AsType[*FormatError](err)
			if !ok {
				t.Fatalf("got error %v, want a *FormatError", err)
			}
			if got := refused.Problems[0].Rule; got != test.want {
				t.Errorf("rule %q, want %q: %v", got, test.want, err)
			}
		})
	}
}

func TestReadDirMissing(t *testing.T) {
	_, err := ReadDir(filepath.Join(t.TempDir(), "none"), DefaultLimits)
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want one that is os.ErrNotExist", err)
	}
}
