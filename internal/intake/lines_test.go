package intake_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/index"
	"github.com/cratefence/cratefence/internal/intake"
	"github.com/cratefence/cratefence/internal/store"
)

// What the index was first seen to name stays what it is, whoever brings other
// bytes: they would stop everybody's builds.
func TestIndexedBytesAreNotReplaced(t *testing.T) {
	theirs, ours := pack(t, "theirs"), pack(t, "ours")
	tests := []struct {
		name    string
		version string // that the index has
		indexed []byte
		refused bool
	}{
		{name: "a version that the index has with other bytes", version: "1.0.0", indexed: theirs, refused: true},
		{name: "one that cargo takes for the same", version: "1.0.0+x", indexed: theirs, refused: true},
		{name: "the bytes that the index names", version: "1.0.0", indexed: ours},
		{name: "a version that the index does not have yet", version: "1.0.1", indexed: theirs},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			f.Lines = f.db
			line := fmt.Sprintf(`{"name":"tin","vers":%q,"deps":[],"cksum":%q,"features":{},"yanked":false}`+"\n", tt.version, crate.Sum(tt.indexed))
			file := store.IndexFile{Key: "tin", Name: "tin", Lines: index.Pack([]byte(line)), Size: len(line), FirstSeenAt: f.Now(), CheckedAt: f.Now(), ChangedAt: f.Now()}
			if err := f.db.SaveIndex(t.Context(), store.IndexSave{File: file}); err != nil {
				t.Fatal(err)
			}

			f.upstream.data = ours
			a, _, err := f.Announce(t.Context(), announcement(ours), "webhook")
			if err != nil {
				t.Fatal(err)
			}
			if err := f.Fetch(t.Context(), a.ID); err != nil {
				t.Fatal(err)
			}
			if a, err = f.db.Announcement(t.Context(), a.ID); err != nil || (a.Status == store.AnnouncementRefused) != tt.refused {
				t.Errorf("announcement: %q, %q, %v; want it refused: %v", a.Status, a.Reason, err, tt.refused)
			}
			_, _, err = f.Submit(t.Context(), store.Release{Crate: "tin", Version: "1.0.0"}, ours, "token:ci")
			if errors.Is(err, intake.ErrInvalid) != tt.refused {
				t.Errorf("Submit = %v, want it refused: %v", err, tt.refused)
			}
			if _, err := f.db.Release(t.Context(), "tin", "1.0.0"); errors.Is(err, store.ErrNotFound) != tt.refused {
				t.Errorf("release: %v", err)
			}
		})
	}
}
