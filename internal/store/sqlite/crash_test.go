package sqlite

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/store"
)

const crashFile = "CRATEFENCE_TEST_CRASH_FILE"

// TestCrash kills a program that publishes without end. Whatever it was told is
// stored is there afterwards, with all its runs, and nothing is there by half.
func TestCrash(t *testing.T) {
	if path := os.Getenv(crashFile); path != "" {
		publishForEver(t, path)
		return
	}
	path := filepath.Join(t.TempDir(), "cratefence.db")
	acknowledged := killThrice(t, path)
	s := openFile(t, path)
	defer s.Close()
	n, err := s.Counts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var jobs int
	if err := s.reader.QueryRowContext(t.Context(), `SELECT count(*) FROM river_job`).Scan(&jobs); err != nil {
		t.Fatal(err)
	}
	if acknowledged < 90 || n.Releases < acknowledged || n.Runs[store.Queued] != 2*n.Releases || jobs != 2*n.Releases {
		t.Errorf("%d acknowledged, %d releases, %d runs, %d jobs; want every one, and two runs and jobs for each release",
			acknowledged, n.Releases, n.Runs[store.Queued], jobs)
	}
	checkIntegrity(t, s)
}

// TestCrashIndex kills a program that saves an index file without end. Of each
// save there is everything or nothing: the file, what happened to it, and that
// gates are told.
func TestCrashIndex(t *testing.T) {
	if path := os.Getenv(crashFile); path != "" {
		saveForEver(t, path)
		return
	}
	path := filepath.Join(t.TempDir(), "cratefence.db")
	acknowledged := killThrice(t, path)
	s := openFile(t, path)
	defer s.Close()
	file, _, err := s.IndexFile(t.Context(), "serde")
	if err != nil {
		t.Fatal(err)
	}
	var events, told int
	if err := s.reader.QueryRowContext(t.Context(), `
		SELECT (SELECT count(*) FROM line_events), (SELECT count(*) FROM gate_events)`).Scan(&events, &told); err != nil {
		t.Fatal(err)
	}
	if acknowledged < 90 || file.Revision < acknowledged || events != file.Revision || told != file.Revision {
		t.Errorf("%d acknowledged, revision %d, %d line events, %d gate events; want every one, and one of each",
			acknowledged, file.Revision, events, told)
	}
	checkIntegrity(t, s)
}

// killThrice runs the test in another program, which says on standard output each
// time that it was told something is stored, and kills it three times. It returns
// how often it said so.
func killThrice(t *testing.T, path string) (acknowledged int) {
	t.Helper()
	for range 3 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), crashFile+"="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; n < 30 && lines.Scan(); n++ {
			acknowledged++
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() { // said before it died
			acknowledged++
		}
		_ = cmd.Wait() // killed
	}
	return acknowledged
}

func checkIntegrity(t *testing.T, s *Store) {
	t.Helper()
	var problems string
	if err := s.reader.QueryRowContext(t.Context(), `PRAGMA integrity_check`).Scan(&problems); err != nil || problems != "ok" {
		t.Errorf("integrity check: %s, %v", problems, err)
	}
}

// publishForEver publishes, and says so on standard output each time.
func publishForEver(t *testing.T, path string) {
	s := openFile(t, path)
	for {
		name := fmt.Sprint("crate", time.Now().UnixNano())
		_, _, err := s.Publish(t.Context(), store.Publication{
			Release: store.Release{Crate: name, Version: "1.0.0", Checksum: crate.Sum([]byte(name)), FirstSeenAt: time.Now()},
			Checks:  []store.CheckRef{{Name: "archive", Version: 1}, {Name: "provenance", Version: 1}},
			Audit:   store.AuditEntry{At: time.Now()},
		})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println(name)
	}
}

// saveForEver saves an index file, and says so on standard output each time.
func saveForEver(t *testing.T, path string) {
	s := openFile(t, path)
	file, _, err := s.IndexFile(t.Context(), "serde")
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		t.Fatal(err)
	}
	file.Key, file.Name = "serde", "serde"
	for ; ; file.Revision++ {
		file.Lines = fmt.Appendf(nil, "revision %d", file.Revision)
		err := s.SaveIndex(t.Context(), store.IndexSave{
			File: file, Events: []store.LineEvent{{What: store.LineRewritten, At: time.Now()}},
		})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println(file.Revision)
	}
}
