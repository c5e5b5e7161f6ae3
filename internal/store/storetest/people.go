package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/store"
)

func exceptionFor(name, version string) store.Exception {
	return store.Exception{
		Policy: "default", Crate: name, Version: version, Checksum: sumOf(name, version),
		Rule: "cool-off", Reason: "we need the fix", Author: "token:ada", CreatedAt: noon, ExpiresAt: noon.Add(time.Hour),
	}
}

func exceptionAudit(action string) store.AuditEntry {
	return store.AuditEntry{At: noon, Actor: "token:ada", Action: action, Object: "serde@1.0.0"}
}

func keptException(e store.Exception) store.Exception {
	e.CreatedAt, e.ExpiresAt, e.EndedAt = kept(e.CreatedAt), kept(e.ExpiresAt), kept(e.EndedAt)
	return e
}

func testExceptions(t *testing.T, db Database) {
	ctx := t.Context()
	add := func(e store.Exception) store.Exception {
		t.Helper()
		got := must(db.AddException(ctx, e, exceptionAudit("exception.add")))(t)
		want := keptException(e)
		want.ID = got.ID
		same(t, "added", want, got)
		return got
	}
	first := add(exceptionFor("Serde", "1.0.0"))
	second := add(exceptionFor("serde", "1.0.1"))
	elsewhere := exceptionFor("tin", "1.0.0")
	elsewhere.Policy = "high"
	third := add(elsewhere)
	for name, edit := range map[string]func(*store.Exception){
		"that never was in force": func(e *store.Exception) { e.ExpiresAt = e.CreatedAt },
		"without an end":          func(e *store.Exception) { e.ExpiresAt = time.Time{} },
		"without a reason":        func(e *store.Exception) { e.Reason = "" },
		"without an author":       func(e *store.Exception) { e.Author = "" },
		"from no rule":            func(e *store.Exception) { e.Rule = "" },
		"under no policy":         func(e *store.Exception) { e.Policy = "" },
	} {
		e := exceptionFor("serde", "1.0.0")
		edit(&e)
		if _, err := db.AddException(ctx, e, exceptionAudit("exception.add")); err == nil {
			t.Errorf("an exception %s was added", name)
		}
	}

	ended := must(db.EndException(ctx, second.ID, "token:bob", noon.Add(time.Minute), exceptionAudit("exception.end")))(t)
	second.EndedAt, second.EndedBy = kept(noon.Add(time.Minute)), "token:bob"
	same(t, "ended", second, ended)
	if _, err := db.EndException(ctx, second.ID, "token:bob", noon, exceptionAudit("exception.end")); !errors.Is(err, store.ErrConflict) {
		t.Errorf("EndException again = %v, want ErrConflict", err)
	}
	if _, err := db.EndException(ctx, 999, "token:bob", noon, exceptionAudit("exception.end")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("EndException of none = %v, want ErrNotFound", err)
	}
	if _, err := db.EndException(ctx, first.ID, "", noon, exceptionAudit("exception.end")); err == nil {
		t.Error("an exception was ended by nobody")
	}

	tests := []struct {
		name string
		q    store.ExceptionQuery
		want []store.Exception
	}{
		{"all", store.ExceptionQuery{}, []store.Exception{third, second, first}},
		{"the newest", store.ExceptionQuery{Limit: 1}, []store.Exception{third}},
		{"after a page", store.ExceptionQuery{Before: third.ID}, []store.Exception{second, first}},
		{"of a policy", store.ExceptionQuery{Policy: "high"}, []store.Exception{third}},
		{"of a crate, whatever the case", store.ExceptionQuery{Crate: "SERDE"}, []store.Exception{second, first}},
		{"of a version", store.ExceptionQuery{Crate: "serde", Version: "1.0.0"}, []store.Exception{first}},
		{"open", store.ExceptionQuery{Open: true}, []store.Exception{third, first}},
		{"none", store.ExceptionQuery{Crate: "nobody"}, nil},
	}
	for _, tt := range tests {
		same(t, tt.name, tt.want, must(db.Exceptions(ctx, tt.q))(t))
	}
}

// What has expired ends by itself, once, and the log says so.
func testCloseExpired(t *testing.T, db Database) {
	ctx := t.Context()
	long := exceptionFor("tin", "1.0.0")
	long.ExpiresAt = noon.Add(2 * time.Hour)
	must(db.AddException(ctx, long, exceptionAudit("exception.add")))(t)
	for round := range rounds {
		var want []store.Exception
		for i := range 5 {
			e := must(db.AddException(ctx, exceptionFor(fmt.Sprint("crate", round), fmt.Sprint(i, ".0.0")), exceptionAudit("exception.add")))(t)
			e.EndedAt, e.EndedBy = kept(noon.Add(time.Hour)), store.SystemActor
			want = append(want, e)
		}
		if closed := must(db.CloseExpired(ctx, noon.Add(time.Hour-time.Second)))(t); len(closed) != 0 {
			t.Errorf("%d closed before their time", len(closed))
		}
		lists := make([][]store.Exception, 8)
		atOnce(func(i int) {
			closed, err := db.CloseExpired(ctx, noon.Add(time.Hour))
			if err != nil {
				t.Error(err)
			}
			lists[i] = closed
		})
		closed := slices.Concat(lists...)
		slices.SortFunc(closed, func(a, b store.Exception) int { return int(a.ID - b.ID) })
		same(t, "closed", want, closed)
	}
	log := must(db.AuditLog(ctx, 0, 1))(t)[0]
	if log.Action != "exception.expire" || log.Actor != store.SystemActor || !log.At.Equal(kept(noon.Add(time.Hour))) {
		t.Errorf("audit log ends with %+v, want the expiry", log)
	}
	if open := must(db.Exceptions(ctx, store.ExceptionQuery{Open: true}))(t); len(open) != 1 || open[0].Crate != "tin" {
		t.Errorf("open = %+v, want the one whose time is not over", open)
	}
}

func rulingOn(name, version string, after store.ID) store.Ruling {
	return store.Ruling{
		Policy: "default", Crate: name, Version: version, Checksum: sumOf(name, version),
		Action: policy.ActAllow, Reason: "looked at it", Author: "token:ada", Impartial: true, After: after, At: noon,
	}
}

func testRulings(t *testing.T, db Database) {
	ctx := t.Context()
	audit := exceptionAudit("ruling.add")
	add := func(r store.Ruling) (store.Ruling, error) { return db.AddRuling(ctx, r, audit) }
	first := must(add(rulingOn("Serde", "1.0.0", 0)))(t)
	want := rulingOn("Serde", "1.0.0", 0)
	want.ID, want.At = first.ID, kept(noon)
	same(t, "added", want, first)

	block := rulingOn("serde", "1.0.0", first.ID)
	block.Action, block.Impartial = policy.ActBlock, false
	second := must(add(block))(t)
	for name, r := range map[string]store.Ruling{
		"by who saw none":            rulingOn("serde", "1.0.0", 0),
		"by who saw an old one":      rulingOn("serde", "1.0.0", first.ID),
		"by who saw one of nowhere":  rulingOn("serde", "1.0.0", 999),
		"by who saw another release": rulingOn("serde", "1.0.1", second.ID),
	} {
		before := db.held(t)
		if _, err := add(r); !errors.Is(err, store.ErrConflict) {
			t.Errorf("AddRuling %s = %v, want ErrConflict", name, err)
		}
		same(t, name, before, db.held(t))
	}
	for name, edit := range map[string]func(*store.Ruling){
		"without a reason": func(r *store.Ruling) { r.Reason = "" },
		"of no known kind": func(r *store.Ruling) { r.Action = "shrug" },
		"by nobody":        func(r *store.Ruling) { r.Author = "" },
	} {
		r := rulingOn("serde", "1.0.0", second.ID)
		edit(&r)
		if _, err := add(r); err == nil {
			t.Errorf("a ruling %s was added", name)
		}
	}
	// Rulings on other bytes, versions and policies are their own.
	other := rulingOn("serde", "1.0.0", 0)
	other.Policy = "high"
	third := must(add(other))(t)
	other = rulingOn("serde", "1.0.0", 0)
	other.Checksum[0]++
	fourth := must(add(other))(t)
	fifth := must(add(rulingOn("tin", "1.0.0", 0)))(t)

	tests := []struct {
		name string
		q    store.RulingQuery
		want []store.Ruling
	}{
		{"all", store.RulingQuery{}, []store.Ruling{fifth, fourth, third, second, first}},
		{"of a policy", store.RulingQuery{Policy: "high"}, []store.Ruling{third}},
		{"of a crate", store.RulingQuery{Crate: "SERDE", Limit: 2}, []store.Ruling{fourth, third}},
		{"of a version, after a page", store.RulingQuery{Crate: "serde", Version: "1.0.0", Before: third.ID}, []store.Ruling{second, first}},
	}
	for _, tt := range tests {
		same(t, tt.name, tt.want, must(db.Rulings(ctx, tt.q))(t))
	}
}

func testRulingsAtOnce(t *testing.T, db Database) {
	var after store.ID
	for range rounds {
		var added atomic.Int64
		atOnce(func(int) {
			r, err := db.AddRuling(t.Context(), rulingOn("serde", "1.0.0", after), exceptionAudit("ruling.add"))
			if err == nil {
				if !added.CompareAndSwap(0, int64(r.ID)) {
					t.Error("two rulings follow one")
				}
			} else if !errors.Is(err, store.ErrConflict) {
				t.Error(err)
			}
		})
		if after = store.ID(added.Load()); after == 0 {
			t.Fatal("nobody's ruling was added")
		}
	}
	if all := must(db.Rulings(t.Context(), store.RulingQuery{}))(t); len(all) != rounds {
		t.Errorf("%d rulings, want %d", len(all), rounds)
	}
}

func reviewOf(name, version, actor string) store.ReviewRequest {
	return store.ReviewRequest{
		Policy: "default", Crate: name, Version: version, Checksum: sumOf(name, version),
		Actor: actor, Reason: "our build waits", At: noon,
	}
}

func testReviewRequests(t *testing.T, db Database) {
	ctx := t.Context()
	audit := exceptionAudit("review.request")
	want := reviewOf("Serde", "1.0.0", "token:ci")
	first, created, err := db.AddReviewRequest(ctx, want, audit)
	if err != nil || !created {
		t.Fatalf("AddReviewRequest = created %t, %v; want created", created, err)
	}
	want.ID, want.At = first.ID, kept(noon)
	same(t, "added", want, first)
	for range rounds {
		atOnce(func(int) {
			again := reviewOf("serde", "1.0.0", "token:ci")
			again.Reason = "please"
			got, created, err := db.AddReviewRequest(ctx, again, audit)
			if err != nil || created {
				t.Errorf("AddReviewRequest again = created %t, %v; want the first", created, err)
			}
			same(t, "added again", first, got)
		})
	}
	var news atomic.Int32
	atOnce(func(int) {
		_, created, err := db.AddReviewRequest(ctx, reviewOf("serde", "1.0.1", "token:ci"), audit)
		if err != nil {
			t.Error(err)
		}
		if created {
			news.Add(1)
		}
	})
	if n := news.Load(); n != 1 {
		t.Errorf("%d requests are new, want 1", n)
	}
	if _, created, err := db.AddReviewRequest(ctx, reviewOf("serde", "1.0.0", "token:bob"), audit); err != nil || !created {
		t.Errorf("AddReviewRequest of another = created %t, %v; want created", created, err)
	}
	if log := must(db.AuditLog(ctx, 0, 10))(t); len(log) != 3 {
		t.Errorf("%d audit entries, want 3: a repeat is not a write", len(log))
	}
	all := must(db.ReviewRequests(ctx, store.ReviewQuery{Crate: "SERDE"}))(t)
	if len(all) != 3 || all[0].Actor != "token:bob" || all[2].ID != first.ID {
		t.Errorf("ReviewRequests = %+v, want three, newest first", all)
	}
	same(t, "before", []store.ReviewRequest{first}, must(db.ReviewRequests(ctx, store.ReviewQuery{Version: "1.0.0", Before: all[1].ID}))(t))
}
