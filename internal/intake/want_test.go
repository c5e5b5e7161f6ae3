package intake_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/cratetest"
	"github.com/cratefence/cratefence/internal/intake"
	"github.com/cratefence/cratefence/internal/store"
)

func (f fixture) want(t *testing.T, sum crate.Checksum, priority int) store.Announcement {
	t.Helper()
	if err := f.Want(t.Context(), "tin", "1.0.0", sum, priority); err != nil {
		t.Fatal(err)
	}
	all, err := f.db.Announcements(t.Context(), 10)
	if err != nil || len(all) != 1 {
		t.Fatalf("%d announcements (%v), want one however often a release is asked for", len(all), err)
	}
	return all[0]
}

// A release is fetched once for all who ask; who waits for it gets it to the
// front, and a refusal stands for an hour.
func TestWant(t *testing.T) {
	f := newFixture(t)
	now := f.Now()
	f.Now = func() time.Time { return now }
	data := pack(t, "first")
	sum := crate.Sum(data)

	first := f.want(t, sum, store.PriorityStale)
	want := store.Announcement{
		ID: first.ID, Via: store.ViaRequest, MessageID: sum.String(), Crate: "tin", Version: "1.0.0", Checksum: sum,
		Priority: store.PriorityStale, Status: store.AnnouncementReceived, ReceivedAt: now,
	}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Errorf("announced by a sweep (-want +got):\n%s", diff)
	}
	now = now.Add(time.Second)
	want.Priority, want.ReceivedAt = store.PriorityFresh, now
	if diff := cmp.Diff(want, f.want(t, sum, store.PriorityFresh)); diff != "" {
		t.Errorf("then wanted by somebody who waits (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, f.want(t, sum, store.PriorityStale)); diff != "" {
		t.Errorf("then by a sweep again (-want +got):\n%s", diff)
	}

	if err := f.GiveUp(t.Context(), first.ID, "the registry is away"); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Hour - time.Second)
	if got := f.want(t, sum, store.PriorityFresh); got.Status != store.AnnouncementRefused {
		t.Errorf("wanted within the hour, the announcement is %s, want refused", got.Status)
	}
	now = now.Add(time.Second)
	if got := f.want(t, sum, store.PriorityFresh); got.Status != store.AnnouncementReceived || !got.ReceivedAt.Equal(now) {
		t.Errorf("wanted after an hour, the announcement is %s since %v, want received now", got.Status, got.ReceivedAt)
	}

	f.upstream.data = data
	if err := f.Fetch(t.Context(), first.ID); err != nil {
		t.Fatal(err)
	}
	release, err := f.db.Release(t.Context(), "tin", "1.0.0")
	if err != nil || release.Checksum != sum || release.Via != store.ViaRequest {
		t.Errorf("release %+v, error %v; want the bytes, by request", release, err)
	}
	if got := f.want(t, sum, store.PriorityFresh); got.Status != store.AnnouncementStored {
		t.Errorf("wanted once it is here, the announcement is %s, want stored", got.Status)
	}
}

// A release that came another way is not fetched again.
func TestWantOfWhatIsKnown(t *testing.T) {
	f := newFixture(t)
	data := pack(t, "first")
	if _, _, err := f.Submit(t.Context(), store.Release{Crate: "tin", Version: "1.0.0"}, data, "token:ci"); err != nil {
		t.Fatal(err)
	}
	if err := f.Want(t.Context(), "tin", "1.0.0", crate.Sum(data), store.PriorityFresh); err != nil {
		t.Error(err)
	}
	if all, err := f.db.Announcements(t.Context(), 10); err != nil || len(all) != 0 {
		t.Errorf("%d announcements (%v), want none", len(all), err)
	}
	if err := f.Want(t.Context(), "../tin", "1.0.0", crate.Sum(data), store.PriorityFresh); !errors.Is(err, intake.ErrInvalid) {
		t.Errorf("Want() of a path = %v, want ErrInvalid", err)
	}
}

// What was let through without being taken in follows, most used first.
func TestSweep(t *testing.T) {
	f := newFixture(t)
	fetch := func(name string) store.Fetch {
		return store.Fetch{At: f.Now(), Policy: "default", Crate: name, Version: "1.0.0", Checksum: crate.Sum([]byte(name)), Passed: true}
	}
	refused := fetch("held")
	refused.Passed = false
	fetches := []store.Fetch{fetch("rare"), fetch("used"), fetch("used"), refused}
	if err := f.db.RecordFetches(t.Context(), fetches); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"used", "rare"} {
		if n, err := f.Sweep(t.Context(), f.db, 1); err != nil || n != 1 {
			t.Fatalf("Sweep() = %d, %v; want 1", n, err)
		}
		newest, err := f.db.Announcements(t.Context(), 1)
		if err != nil || len(newest) != 1 || newest[0].Crate != want || newest[0].Priority != store.PriorityStale {
			t.Errorf("swept %+v (%v), want %s at the lowest priority", newest, err, want)
		}
	}
	if n, err := f.Sweep(t.Context(), f.db, 10); err != nil || n != 0 {
		t.Errorf("Sweep() at the end = %d, %v; want 0", n, err)
	}
}

// What a policy asks of an archive is kept with its release.
func TestPublishFacts(t *testing.T) {
	const (
		vcs    = "-- .cargo_vcs_info.json --\n{\"git\":{\"sha1\":\"0123456789012345678901234567890123456789\"},\"path_in_vcs\":\"\"}\n"
		script = "-- build.rs --\nfn main() {}\n"
		setup  = "-- setup.rs --\nfn main() {}\n"
	)
	cargoToml := func(build string) string {
		return "-- Cargo.toml --\n[package]\nname = \"tin\"\nversion = \"1.0.0\"\n" + build + "\n-- src/lib.rs --\n"
	}
	tests := []struct {
		name string
		text string
		want store.PublishFacts
	}{
		{"neither", cargoToml(""), store.PublishFacts{}},
		{"a commit", cargoToml("") + vcs, store.PublishFacts{VCS: true}},
		{"vcs info that cannot be read", cargoToml("") + "-- .cargo_vcs_info.json --\n{\n", store.PublishFacts{}},
		{"build.rs, which cargo finds", cargoToml("") + script, store.PublishFacts{BuildScript: true}},
		{"build.rs, which cargo is told to find", cargoToml("build = true") + script, store.PublishFacts{BuildScript: true}},
		{"build.rs, which cargo is told to leave", cargoToml("build = false") + script, store.PublishFacts{}},
		{"a script of another name", cargoToml(`build = "setup.rs"`) + setup, store.PublishFacts{BuildScript: true}},
		{"no manifest", vcs, store.PublishFacts{VCS: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			data, err := cratetest.Raw{FileName: "tin-1.0.0.crate", Entries: entries(t, tt.text)}.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := f.Submit(t.Context(), store.Release{Crate: "tin", Version: "1.0.0"}, data, "token:ci"); err != nil {
				t.Fatal(err)
			}
			state, err := f.db.CrateState(t.Context(), "tin")
			if err != nil || len(state.Releases) != 1 {
				t.Fatalf("state %+v, error %v; want one release", state, err)
			}
			if diff := cmp.Diff(tt.want, state.Releases[0].Facts); diff != "" {
				t.Errorf("facts (-want +got):\n%s", diff)
			}
		})
	}
}
