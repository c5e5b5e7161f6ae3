package checks

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/cratetest"
)

// subject reads a .crate as the runner does.
func subject(name, version string, data []byte) *check.Subject {
	s := &check.Subject{Release: crate.Release{Name: name, Version: version, Checksum: crate.Sum(data)}, Size: int64(len(data))}
	s.Archive, s.ArchiveErr = crate.Read(data, s.Release, crate.DefaultLimits)
	return s
}

const soundCrate = `
-- Cargo.toml --
[package]
name = "sound"
version = "1.0.0"
-- src/lib.rs --
pub fn sound() {}
`

// rules lists what was found as "level rule path:line".
func rules(findings []check.Finding) []string {
	var all []string
	for _, f := range findings {
		text := string(f.Level) + " " + f.Rule
		if f.Path != "" {
			text += " " + f.Path
		}
		if f.StartLine > 0 {
			text += fmt.Sprintf(":%d", f.StartLine)
		}
		all = append(all, text)
	}
	return all
}

func TestArchive(t *testing.T) {
	packed := func(text string) []byte { return cratetest.MustPackText(t, "sound", "1.0.0", text) }
	hostile, err := cratetest.Hostile("sound", "1.0.0").Bytes()
	if err != nil {
		t.Fatal(err)
	}
	withFolder, err := cratetest.Raw{Entries: []cratetest.RawEntry{
		{Name: "sound-1.0.0/", Type: '5', Mode: 0o755},
		{Name: "sound-1.0.0/Cargo.toml", Mode: 0o664, Data: []byte("[package]\nname = \"sound\"\nversion = \" 1.0.0\"\n")},
	}}.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		data  []byte
		want  check.Conclusion
		title string
		rules []string
	}{
		{
			name: "sound", data: packed(soundCrate),
			want: check.Success, title: "3 files, nothing cargo would not write",
		},
		{
			name: "of an old cargo", data: withFolder,
			want: check.Success, title: "1 file, read the same by every program; 2 things that cargo writes otherwise today",
			rules: []string{"note directory-entry", "note mode Cargo.toml"},
		},
		{
			name: "hostile", data: hostile,
			want: check.Failure, title: "10 things in the archive that cargo would refuse or programs read differently",
			rules: []string{
				"error trailing-data",
				"error path ../../climbing.txt",
				"error path /tmp/absolute.txt",
				"error entry-type notes",
				"error entry-type twin",
				"error entry-type zero",
				"error extension PaxHeaders/0",
				"error outside tidy-int-0.2.0/src/lib.rs",
				"error duplicate src/lib.rs",
				"error case-collision src/LIB.rs",
			},
		},
		{
			name: "no gzip", data: []byte("<html>404</html>"),
			want: check.Failure, title: "1 thing in the archive that cargo would refuse or programs read differently",
			rules: []string{"error gzip"},
		},
		{
			name: "another name", data: packed(strings.Replace(soundCrate, `"sound"`, `"serde"`, 1)),
			want: check.Failure, title: `The manifest's name is "serde", but the release was published as "sound"`,
			rules: []string{"error manifest-name Cargo.toml:13"},
		},
		{
			name: "another name and version", data: packed(strings.Replace(soundCrate, "sound\"\nversion = \"1.0.0", "serde\"\nversion = \"1.0.1", 1)),
			want: check.Failure, title: "2 problems in the manifest and in what cargo generates",
			rules: []string{"error manifest-name Cargo.toml:13", "error manifest-version Cargo.toml:14"},
		},
		{
			name: "version of a workspace", data: packed(strings.Replace(soundCrate, `version = "1.0.0"`, `version.workspace = true`, 1)),
			want: check.Failure, title: `The manifest's version is left to a workspace that is not in the crate, but the release was published as "1.0.0"`,
			rules: []string{"error manifest-version Cargo.toml:14"},
		},
		{
			name: "manifest not TOML", data: packed(strings.Replace(soundCrate, "[package]", "[package", 1)),
			want: check.Failure, title: "The manifest cannot be read: parse Cargo.toml: malformed manifest: line",
			rules: []string{"error manifest-malformed Cargo.toml"},
		},
		{
			name: "vcs info with two keys of one name", data: packed(soundCrate + "-- .cargo_vcs_info.json --\n{\"git\":{},\"git\":{}}\n"),
			want: check.Failure, title: "The note of the commit",
			rules: []string{"error vcs-info-malformed .cargo_vcs_info.json"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := Archive.Run(t.Context(), subject("sound", "1.0.0", test.data))
			if err != nil {
				t.Fatal(err)
			}
			if got.Conclusion != test.want || !strings.HasPrefix(got.Title, test.title) {
				t.Errorf("got %s %q, want %s %q", got.Conclusion, got.Title, test.want, test.title)
			}
			if diff := cmp.Diff(test.rules, rules(got.Findings)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

// A finding about the manifest shows the line.
func TestArchiveSnippet(t *testing.T) {
	s := subject("sound", "1.0.1", cratetest.MustPackText(t, "sound", "1.0.1", soundCrate))
	got, err := Archive.Run(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if want := `version = "1.0.0"`; len(got.Findings) != 1 || got.Findings[0].Snippet != want {
		t.Errorf("findings %+v, want one with the snippet %q", got.Findings, want)
	}
}

func TestArchiveFacts(t *testing.T) {
	const commit = "0123456789abcdef0123456789abcdef01234567"
	files := []cratetest.File{{Path: "Cargo.toml", Data: []byte("[package]\nname = \"sound\"\nversion = \"1.0.0\"\n")}}
	tests := []struct {
		name string
		p    cratetest.Package
		want ArchiveFacts
	}{
		{"without a repository", cratetest.Package{Files: files}, ArchiveFacts{
			Files: 2, Generated: []string{"Cargo.toml", "Cargo.toml.orig"}, CargoAtLeast: "1.20",
		}},
		{"from a commit", cratetest.Package{Files: files, Commit: commit}, ArchiveFacts{
			Files: 3, Generated: []string{"Cargo.toml", "Cargo.toml.orig", ".cargo_vcs_info.json"}, CargoAtLeast: "1.57",
		}},
		{"from a changed folder", cratetest.Package{Files: files, Commit: commit, Dirty: true}, ArchiveFacts{
			Files: 3, Generated: []string{"Cargo.toml", "Cargo.toml.orig", ".cargo_vcs_info.json"}, CargoAtLeast: "1.81",
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.p.Name, test.p.Version = "sound", "1.0.0"
			data := cratetest.MustPack(t, test.p)
			s := subject("sound", "1.0.0", data)
			report, err := Archive.Run(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			var got ArchiveFacts
			if err := json.Unmarshal(report.Facts, &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("facts (-want +got):\n%s", diff)
			}
			metrics := map[string]float64{
				"files": float64(test.want.Files), "bytes_packed": float64(len(data)), "bytes_unpacked": float64(s.Archive.Unpacked),
			}
			if diff := cmp.Diff(metrics, report.Metrics); diff != "" {
				t.Errorf("metrics (-want +got):\n%s", diff)
			}
		})
	}
}

func TestArchiveOfFolder(t *testing.T) {
	root := t.TempDir()
	manifest := filepath.Join(root, "Cargo.toml")
	if err := os.WriteFile(manifest, []byte("[package]\nname = \"sound\"\nversion = \"1.0.0\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	run := func(version string) check.Report {
		t.Helper()
		s := &check.Subject{Release: crate.Release{Name: "sound", Version: version}}
		s.Archive, s.ArchiveErr = crate.ReadDir(root, crate.DefaultLimits)
		got, err := Archive.Run(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := run("1.0.0"); got.Conclusion != check.Skipped || got.Title == "" {
		t.Errorf("got %s %q, want skipped and why", got.Conclusion, got.Title)
	}
	if got := run("1.0.1"); got.Conclusion != check.Failure {
		t.Errorf("another version: got %s %q, want failure", got.Conclusion, got.Title)
	}
	if err := os.Symlink("Cargo.toml", filepath.Join(root, "link")); err != nil {
		t.Skip(err)
	}
	if got := run("1.0.0"); got.Conclusion != check.Failure || got.Title != "1 thing in the folder that a crate cannot hold" {
		t.Errorf("with a link: got %s %q, want failure", got.Conclusion, got.Title)
	}
}

func TestArchiveWithoutManifest(t *testing.T) {
	data, err := cratetest.Raw{Entries: []cratetest.RawEntry{{Name: "sound-1.0.0/src/lib.rs"}}}.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Archive.Run(t.Context(), subject("sound", "1.0.0", data))
	if err != nil {
		t.Fatal(err)
	}
	if got.Conclusion != check.Failure || got.Title != "The crate has no Cargo.toml" {
		t.Errorf("got %s %q", got.Conclusion, got.Title)
	}
}

// A disk that cannot be read is our trouble, not the crate's.
func TestArchiveOurTrouble(t *testing.T) {
	trouble := errors.New("input/output error")
	_, err := Archive.Run(t.Context(), &check.Subject{ArchiveErr: trouble})
	if !errors.Is(err, trouble) {
		t.Errorf("got %v, want %v", err, trouble)
	}
	if _, err := Archive.Run(t.Context(), &check.Subject{}); err == nil {
		t.Error("no archive and no reason: got no error")
	}
}
