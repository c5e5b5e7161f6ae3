package gitobj

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// git runs git in dir, cut off from the machine's configuration.
func git(t testing.TB, dir, stdin string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("needs git: ", err)
	}
	cmd := exec.Command("git", append([]string{"-C", dir}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_AUTHOR_DATE=1700000000 +0100",
		"GIT_COMMITTER_NAME=C", "GIT_COMMITTER_EMAIL=c@example.com", "GIT_COMMITTER_DATE=1700000001 +0100")
	cmd.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", args, err, stderr.Bytes())
	}
	return string(out)
}

func mustID(t testing.TB, s string) ID {
	t.Helper()
	id, err := ParseID(strings.TrimSpace(s))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestParseID(t *testing.T) {
	const good = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
	id, err := ParseID(good)
	if err != nil || id.String() != good {
		t.Errorf("ParseID(%q) = %v, %v", good, id, err)
	}
	for _, bad := range []string{"", good[1:], good + "0", strings.ToUpper(good), "g" + good[1:], strings.Repeat("0", 64)} {
		if _, err := ParseID(bad); err == nil {
			t.Errorf("ParseID(%q) succeeded", bad)
		}
	}
	var back ID
	if text, err := json.Marshal(id); err != nil || json.Unmarshal(text, &back) != nil || back != id {
		t.Errorf("through JSON: %s, %v, %v", text, back, err)
	}
}

func TestBlobID(t *testing.T) {
	dir := t.TempDir()
	for _, content := range []string{"", "hello\n", strings.Repeat("abc\x00", 100_000)} {
		want := strings.TrimSpace(git(t, dir, content, "hash-object", "--stdin"))
		if got, collision := BlobID([]byte(content)); got.String() != want || collision {
			t.Errorf("BlobID of %d bytes = %v, %v, want %s", len(content), got, collision, want)
		}
	}
}

// The first of the two colliding messages of "SHA-1 is a Shambles" (2020) must
// be recognised without the second.
func TestCollision(t *testing.T) {
	text, err := os.ReadFile("testdata/shambles-1.hex")
	if err != nil {
		t.Fatal(err)
	}
	message, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	if err != nil {
		t.Fatal(err)
	}
	h := newHasher()
	h.sha.Write(message)
	if _, collision := h.take(); !collision {
		t.Error("the collision attack was not recognised")
	}
	if _, collision := h.object(Blob, []byte("hello")); collision {
		t.Error("the next object inherits the collision")
	}
}

func BenchmarkBlobID(b *testing.B) {
	data := bytes.Repeat([]byte("fn main() { println!(\"{}\", 1); }\n"), 2000)
	b.Run("detecting", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			BlobID(data)
		}
	})
	b.Run("crypto-sha1", func(b *testing.B) { // what detection costs
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			sha1.Sum(data)
		}
	})
}

func TestPiecesBlobID(t *testing.T) {
	for _, text := range []string{"", "a", "a\r\nb\r\n\r\nc", strings.Repeat("long\n", 1000)} {
		got, collision := PiecesBlobID(slices.Values(bytes.SplitAfter([]byte(text), []byte("\n"))))
		if want, _ := BlobID([]byte(text)); got != want || collision {
			t.Errorf("PiecesBlobID of the lines of %.20q = %s, %t, want %s", text, got, collision, want)
		}
	}
}
