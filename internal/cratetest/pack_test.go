package cratetest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

// unzip returns the first gzip member's header and contents.
func unzip(t *testing.T, data []byte) (gzip.Header, []byte) {
	t.Helper()
	zr, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	zr.Multistream(false)
	contents, err := io.ReadAll(zr)
	if err != nil {
		t.Fatal(err)
	}
	return zr.Header, contents
}

// untar returns the files of an archive without the release's folder.
func untar(t *testing.T, archive []byte, release string) []File {
	t.Helper()
	var files []File
	tr := tar.NewReader(bytes.NewReader(archive))
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		path, ok := strings.CutPrefix(h.Name, release+"/")
		if !ok {
			t.Fatalf("entry %q is not below %q", h.Name, release)
		}
		files = append(files, File{Path: path, Data: data, Executable: h.Mode&0o111 != 0})
	}
}

var longPath = strings.Repeat("long/", 30) + "name.rs"

// A workspace member with an executable, a link out of the package, a path that
// needs a GNU long name, and names that order differently by component.
var workspace = `
-- Cargo.toml --
[workspace]
members = ["member"]
resolver = "2"
-- LICENSE --
MIT
-- member/Cargo.toml --
[package]
name = "tidy-int"
version = "0.1.0"
edition = "2021"
description = "Tidy"
license-file = "LICENSE"
-- member/LICENSE -> ../LICENSE --
-- member/src/lib.rs --
pub mod a;
-- member/src/a/b.rs --
// a folder
-- member/src/a.rs --
pub mod b;
-- member/run.sh +x --
#!/bin/sh
-- member/` + longPath + ` --
// a long way down
`

// Given the files that cargo generates, Pack's archive is cargo's, byte for byte.
func TestPackIsCargos(t *testing.T) {
	cargo := MustCargo(t)
	needModernCargo(t, cargo)
	r := MustRepository(t, filepath.Join(t.TempDir(), "repository"), workspace)
	byCargo, err := cargo.Package(t.Context(), filepath.Join(r.Dir, "member"), "tidy-int", "0.1.0")
	if err != nil {
		t.Fatal(err)
	}
	wantHeader, want := unzip(t, byCargo)

	commits, err := Commits(txtar.Parse([]byte(workspace)))
	if err != nil {
		t.Fatal(err)
	}
	files, err := Below(commits[0].Files, "member")
	if err != nil {
		t.Fatal(err)
	}
	files, err = overlay(files, pick(untar(t, want, "tidy-int-0.1.0"), "Cargo.toml", "Cargo.lock"))
	if err != nil {
		t.Fatal(err)
	}
	packed := MustPack(t, Package{Name: "tidy-int", Version: "0.1.0", Files: files, Commit: r.Head(), PathInVCS: "member"})

	header, got := unzip(t, packed)
	if diff := cmp.Diff(wantHeader, header); diff != "" {
		t.Errorf("gzip header (-cargo +ours):\n%s", diff)
	}
	if diff := cmp.Diff(untar(t, want, "tidy-int-0.1.0"), untar(t, got, "tidy-int-0.1.0")); diff != "" {
		t.Fatalf("files (-cargo +ours):\n%s", diff)
	}
	if !bytes.Equal(want, got) {
		for i := range min(len(want), len(got)) {
			if want[i] != got[i] {
				t.Fatalf("byte %d (of block %d) is %q, cargo writes %q", i, i/blockSize, got[i], want[i])
			}
		}
		t.Errorf("%d bytes, cargo writes %d", len(got), len(want))
	}
}

// needModernCargo skips where cargo is older than the one whose archives Pack
// writes: before 1.93 generated files had another time.
func needModernCargo(t *testing.T, cargo *Cargo) {
	t.Helper()
	said, err := cargo.Run(t.Context(), ".", "--version")
	if err != nil {
		t.Fatal(err)
	}
	var minor int
	if _, err := fmt.Sscanf(said, "cargo 1.%d.", &minor); err != nil {
		t.Fatalf("cargo --version says %q: %v", said, err)
	}
	if minor < 93 {
		t.Skipf("needs cargo 1.93 or later, this is %s", strings.TrimSpace(said))
	}
}

func pick(files []File, paths ...string) []File {
	var picked []File
	for _, f := range files {
		for _, path := range paths {
			if f.Path == path {
				picked = append(picked, f)
			}
		}
	}
	return picked
}

func TestPackGenerates(t *testing.T) {
	const manifest = "[package]\nname = \"a\"\nversion = \"1.0.0\"\n"
	commit := strings.Repeat("0f", 20)
	data := MustPack(t, Package{
		Name: "a", Version: "1.0.0", Commit: commit, PathInVCS: "crates/a", Dirty: true,
		Files: []File{
			{Path: "Cargo.toml", Data: []byte(manifest)},
			{Path: "two.rs", Link: "src/one.rs"},
			{Path: "src/one.rs", Link: "lib.rs"},
			{Path: "src/lib.rs", Data: []byte("//\n")},
		},
	})
	_, archive := unzip(t, data)
	want := []File{
		{Path: ".cargo_vcs_info.json", Data: []byte("{\n  \"git\": {\n    \"sha1\": \"" + commit + "\",\n    \"dirty\": true\n  },\n  \"path_in_vcs\": \"crates/a\"\n}")},
		{Path: "Cargo.toml", Data: []byte(ManifestHeader + manifest)},
		{Path: "Cargo.toml.orig", Data: []byte(manifest)},
		{Path: "src/lib.rs", Data: []byte("//\n")},
		{Path: "src/one.rs", Data: []byte("//\n")},
		{Path: "two.rs", Data: []byte("//\n")},
	}
	if diff := cmp.Diff(want, untar(t, archive, "a-1.0.0")); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestPackRefuses(t *testing.T) {
	manifest := File{Path: "Cargo.toml"}
	tests := []struct {
		name  string
		files []File
	}{
		{"no manifest", nil},
		{"a link to nothing", []File{manifest, {Path: "a", Link: "b"}}},
		{"links in a circle", []File{manifest, {Path: "a", Link: "b"}, {Path: "b", Link: "a"}}},
	}
	for _, tt := range tests {
		if _, err := Pack(Package{Name: "a", Version: "1.0.0", Files: tt.files}); err == nil {
			t.Errorf("%s: packed", tt.name)
		}
	}
}

// Raw says what it is told, and what it says of sizes holds for other readers.
func TestRaw(t *testing.T) {
	raw := Raw{
		Entries: []RawEntry{
			{Name: "a/../b", Data: []byte("x"), Mode: 0o600},
			{Name: strings.Repeat("n", 150), Type: '2', Link: strings.Repeat("l", 150)},
			{Name: "pax", PAX: map[string]string{"path": "other", "comment": strings.Repeat("c", 95)}},
			{Name: "edited", Edit: func(h *Header) { h[0] = 'E'; h.Seal() }},
		},
		Members:  [][]byte{[]byte("second")},
		Trailing: []byte("rest"),
	}
	data, err := raw.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	_, archive := unzip(t, data)
	type entry struct {
		Name, Link string
		Type       byte
		Mode, Size int64
	}
	var got []entry
	tr := tar.NewReader(bytes.NewReader(archive))
	for {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, entry{h.Name, h.Linkname, h.Typeflag, h.Mode, h.Size})
	}
	want := []entry{
		{"a/../b", "", '0', 0o600, 1},
		{strings.Repeat("n", 150), strings.Repeat("l", 150), '2', 0o644, 0},
		{"other", "", '0', 0o644, 0},
		{"Edited", "", '0', 0o644, 0},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if !bytes.HasSuffix(data, []byte("rest")) {
		t.Error("nothing trails the last member")
	}
	zr, err := gzip.NewReader(bytes.NewReader(data[:len(data)-len("rest")]))
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(zr) // of every member
	if err != nil || !bytes.HasSuffix(all, []byte("second")) {
		t.Errorf("second member: %v", err)
	}
}
