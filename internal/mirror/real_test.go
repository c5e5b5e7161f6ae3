package mirror

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/cratetest"
	"github.com/cratefence/cratefence/internal/index"
	"github.com/cratefence/cratefence/internal/store/sqlite"
	"github.com/cratefence/cratefence/internal/upstream"
)

// client is an upstream client as a mirror asks it.
type client struct{ *upstream.Client }

func (c client) IndexFile(ctx context.Context, name, etag, lastModified string) (Answer, error) {
	a, err := c.Client.IndexFile(ctx, name, etag, lastModified)
	if errors.Is(err, upstream.ErrNotFound) {
		err = fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	return Answer(a), err
}

// With a registry over HTTP and a database, all that may happen to a crate's
// lines is kept, and told once.
func TestMirrorOfARegistry(t *testing.T) {
	registry := cratetest.NewRegistry()
	var sent atomic.Int64 // bodies of index files
	url := cratetest.MustServe(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		registry.ServeHTTP(&counted{ResponseWriter: w, bodies: &sent}, r)
	}))
	up, err := upstream.New(cratetest.IndexURL(url), http.DefaultClient, upstream.Options{})
	if err != nil {
		t.Fatal(err)
	}
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "fence.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	now := start
	m := &Mirror{Store: db, Upstream: client{up}, Now: func() time.Time { return now }, TTL: time.Minute, Log: slog.New(slog.DiscardHandler)}

	publish := func(version string) {
		t.Helper()
		if err := registry.Publish("tidy-int", version, []byte(version), start.Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	dep := func(line *index.Line) {
		line.Deps = append(line.Deps, index.Dep{Name: "evil", Req: "*", Kind: index.Normal})
	}
	publish("1.0.0")
	publish("1.0.1")
	for _, tt := range []struct {
		change func()
		want   []string // events
		sent   int64    // bodies so far
	}{
		{change: func() {}, sent: 1},
		{change: func() {}, sent: 1}, // 304
		{change: func() { publish("1.0.2") }, want: []string{"published 1.0.2"}, sent: 2},
		{change: func() { do(registry.Yank("tidy-int", "1.0.0", true)) }, want: []string{"yanked 1.0.0"}, sent: 3},
		{change: func() { do(registry.Edit("tidy-int", "1.0.1", dep)) }, want: []string{"edited 1.0.1"}, sent: 4},
		{
			change: func() { do(registry.Edit("tidy-int", "1.0.2", func(l *index.Line) { l.Cksum[0]++ })) },
			want:   []string{"other-checksum 1.0.2"}, sent: 5,
		},
		{change: func() { do(registry.Remove("tidy-int", "1.0.0")) }, want: []string{"removed 1.0.0"}, sent: 6},
		{change: func() {}, sent: 6},
	} {
		tt.change()
		now = now.Add(time.Minute)
		before := len(events(t, db))
		if err := m.Refresh(t.Context(), "Tidy-Int"); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, events(t, db)[before:], cmp.Transformer("empty", func(s []string) []string { return append([]string{}, s...) })); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		if got := sent.Load(); got != tt.sent {
			t.Errorf("%d index files were sent, want %d", got, tt.sent)
		}
	}
	_, records, err := db.IndexFile(t.Context(), "tidy-int")
	do(err)
	var got []string
	for _, r := range records {
		got = append(got, strings.TrimSpace(fmt.Sprintf("%s %t %s", r.Version, r.Yanked, r.Trouble)))
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"1.0.0 true removed", "1.0.1 false changed", "1.0.2 false other-checksum"}, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

// events are what happened, oldest first.
func events(t *testing.T, db *sqlite.Store) []string {
	t.Helper()
	all, err := db.LineEvents(t.Context(), "tidy-int", 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, e := range slices.Backward(all) {
		told = append(told, string(e.What)+" "+e.Version)
	}
	return told
}

// counted counts answers that have a body.
type counted struct {
	http.ResponseWriter
	bodies *atomic.Int64
}

func (c *counted) WriteHeader(status int) {
	if status == http.StatusOK {
		c.bodies.Add(1)
	}
	c.ResponseWriter.WriteHeader(status)
}
