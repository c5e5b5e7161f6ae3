package crate

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What a real cargo packages is read without a single note.
func TestReadCargoPackage(t *testing.T) {
	for _, program := range []string{"cargo", "git"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("no %s: %v", program, err)
		}
	}
	if help, err := exec.Command("cargo", "package", "--help").Output(); err != nil || !bytes.Contains(help, []byte("--exclude-lockfile")) {
		t.Skip("cargo is older than 1.87, which has the flag that this test needs")
	}
	root := t.TempDir()
	long := "src/" + strings.Repeat("long/", 30) + "mod.rs"
	writeFiles(t, root, map[string]string{
		"Cargo.toml": "[package]\nname = \"real-one\"\nversion = \"0.3.0-rc.1+g5\"\nedition = \"2021\"\nlicense = \"MIT\"\n" +
			"[dependencies.real-two]\npath = \"two\"\nversion = \"1\"\noptional = true\n",
		"two/Cargo.toml": "[package]\nname = \"real-two\"\nversion = \"1.0.0\"\n",
		"two/src/lib.rs": "",
		"src/lib.rs":     "pub fn one() {}\n",
		"src.txt":        "sorts after src/ by parts, before it by bytes",
		long:             "",
		"ünï/code.txt":   "x",
		".gitignore":     "target\n",
		"README.md":      "# one\n",
	})
	run := func(program string, args ...string) {
		t.Helper()
		cmd := exec.Command(program, args...)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "CARGO_TARGET_DIR="+filepath.Join(root, "target"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s %v: %v\n%s", program, args, err, out)
		}
	}
	run("git", "init", "-q")
	run("git", "add", ".")
	run("git", "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-q", "-m", "one")
	run("cargo", "package", "--no-verify", "--offline", "--exclude-lockfile")

	data, err := os.ReadFile(filepath.Join(root, "target/package/real-one-0.3.0-rc.1+g5.crate"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := Read(data, Release{Name: "real-one", Version: "0.3.0-rc.1+g5"}, DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Notes) > 0 {
		t.Errorf("notes %q, want none", a.Notes)
	}
	for _, path := range []string{ManifestFile, ManifestOrigFile, VCSInfoFile, long, "ünï/code.txt", "src.txt"} {
		if a.File(path) == nil {
			t.Errorf("%q is not in the archive", path)
		}
	}
	m, err := a.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	if m.Package.Name != "real-one" || m.Package.Version != "0.3.0-rc.1+g5" || len(m.Dependencies) != 1 || m.Dependencies[0].Path != "" {
		t.Errorf("manifest %+v, dependencies %+v", m.Package, m.Dependencies)
	}
	info, err := a.VCSInfo()
	if err != nil {
		t.Fatal(err)
	}
	if info == nil || info.PathInVCS == nil || *info.PathInVCS != "" || info.Dirty {
		t.Errorf("vcs info %+v", info)
	}
}
