package storetest

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/store"
)

func token(name string, secret byte) store.Token {
	return store.Token{Name: name, Hash: sha256.Sum256([]byte{secret}), Scopes: []string{"publish"}, CreatedAt: noon}
}

func tokenAudit(action string) store.AuditEntry {
	return store.AuditEntry{At: noon, Actor: "cli:root", Action: action, Object: "ci"}
}

func testTokens(t *testing.T, db Database) {
	ctx := t.Context()
	create := func(tok store.Token) (store.Token, error) {
		return db.CreateToken(ctx, tok, tokenAudit("token.create"))
	}

	ci := token("ci", 1)
	ci.Scopes, ci.ExpiresAt = []string{"publish", "admin"}, noon.Add(time.Hour)
	got := must(create(ci))(t)
	want := ci
	want.ID, want.CreatedAt, want.ExpiresAt = got.ID, kept(noon), kept(noon.Add(time.Hour))
	same(t, "created", want, got)
	same(t, "by hash", want, must(db.TokenByHash(ctx, ci.Hash))(t))

	if _, err := create(token("ci", 2)); !errors.Is(err, store.ErrConflict) {
		t.Errorf("second token of the name = %v, want ErrConflict", err)
	}
	if _, err := create(token("other", 1)); err == nil {
		t.Error("a second token with the same secret was created")
	}
	if _, err := create(token("", 9)); err == nil {
		t.Error("a token without a name was created")
	}
	if _, err := db.TokenByHash(ctx, token("", 2).Hash); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("TokenByHash of a refused token = %v, want ErrNotFound", err)
	}

	// Once the first has expired its name is free.
	later := token("ci", 3)
	later.CreatedAt = noon.Add(time.Hour)
	second := must(create(later))(t)
	if _, err := db.RevokeToken(ctx, "nobody", noon, tokenAudit("token.revoke")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("RevokeToken(nobody) = %v, want ErrNotFound", err)
	}
	revoked := must(db.RevokeToken(ctx, "ci", noon.Add(2*time.Hour), tokenAudit("token.revoke")))(t)
	second.RevokedAt = kept(noon.Add(2 * time.Hour))
	same(t, "revoked: the one in force", second, revoked)
	if _, err := db.RevokeToken(ctx, "ci", noon.Add(3*time.Hour), tokenAudit("token.revoke")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("RevokeToken again = %v, want ErrNotFound", err)
	}
	third := token("ci", 4) // once revoked, too
	third.CreatedAt = noon.Add(3 * time.Hour)
	newest := must(create(third))(t)
	same(t, "all, newest first", []store.Token{newest, second, want}, must(db.Tokens(ctx))(t))

	for _, touch := range []struct{ at, want time.Duration }{
		{0, 0}, {30 * time.Second, 0}, {time.Minute, time.Minute}, {30 * time.Second, time.Minute},
	} {
		if err := db.TouchToken(ctx, newest.ID, noon.Add(touch.at)); err != nil {
			t.Error(err)
		}
		if got := must(db.TokenByHash(ctx, newest.Hash))(t); !got.UsedAt.Equal(kept(noon.Add(touch.want))) {
			t.Errorf("used at %v after a touch at +%v, want +%v", got.UsedAt, touch.at, touch.want)
		}
	}
	audit := must(db.AuditLog(ctx, 0, 10))(t)
	var actions []string
	for _, e := range audit {
		actions = append(actions, e.Action)
	}
	same(t, "audited", []string{"token.create", "token.revoke", "token.create", "token.create"}, actions)
}

func testTokensAtOnce(t *testing.T, db Database) {
	for round := range rounds {
		var created atomic.Int32
		atOnce(func(i int) {
			_, err := db.CreateToken(t.Context(), token(fmt.Sprint("ci", round), byte(8*round+i)), tokenAudit("token.create"))
			if err == nil {
				created.Add(1)
			} else if !errors.Is(err, store.ErrConflict) {
				t.Error(err)
			}
		})
		if n := created.Load(); n != 1 {
			t.Errorf("%d tokens of one name were created, want 1", n)
		}
	}
}

func testAuditLog(t *testing.T, db Database) {
	ctx := t.Context()
	for i := range 5 {
		e := tokenAudit(fmt.Sprint("token.create", i))
		e.Detail = json.RawMessage(fmt.Sprintf(`{"n":%d}`, i))
		if _, err := db.CreateToken(ctx, token(fmt.Sprint("t", i), byte(i)), e); err != nil {
			t.Fatal(err)
		}
	}
	all := must(db.AuditLog(ctx, 0, 100))(t)
	if len(all) != 5 || string(all[0].Detail) != `{"n":4}` {
		t.Fatalf("AuditLog = %v, want 5 entries, newest first", all)
	}
	same(t, "first page", all[:2], must(db.AuditLog(ctx, 0, 2))(t))
	same(t, "second page", all[2:4], must(db.AuditLog(ctx, all[1].ID, 2))(t))
	same(t, "last page", all[4:], must(db.AuditLog(ctx, all[3].ID, 2))(t))
	same(t, "after the last", nil, must(db.AuditLog(ctx, all[4].ID, 2))(t))
}

// What is over does not change, even for whoever gets past the store.
func testKept(t *testing.T, db Database) {
	ctx := t.Context()
	r := publish(t, db, publication("serde", "1.0.0", twoChecks...))
	finish(t, db, start(t, db, r.ID, "archive"), nil)
	other := publication("serde", "1.0.0")
	other.Release.Checksum[0]++
	_, _, _ = db.Publish(ctx, other) // makes an incident
	record := lineRecord("serde", "1.0.0")
	save(t, db, store.IndexSave{
		File: indexFile(t, "serde", "1.0.0"), Records: []store.LineRecord{record}, Events: []store.LineEvent{{What: store.FileGone, At: noon}},
	})
	ended := must(db.AddException(ctx, exceptionFor("serde", "1.0.0"), announceAudit()))(t)
	must(db.EndException(ctx, ended.ID, "token:ada", noon, announceAudit()))(t)
	must(db.AddException(ctx, exceptionFor("serde", "1.0.0"), announceAudit()))(t)
	must(db.AddRuling(ctx, rulingOn("serde", "1.0.0", 0), announceAudit()))(t)
	recordOne(t, db, decisionOn("serde", "1.0.0", policy.Held))
	if err := db.RecordFetches(ctx, []store.Fetch{fetchOf("serde", "1.0.0", "token:ci", 0, true)}); err != nil {
		t.Fatal(err)
	}
	_, _, _ = db.AddReviewRequest(ctx, reviewOf("serde", "1.0.0", "token:ci"), announceAudit())
	if err := db.SetBaseline(ctx, store.Baseline{Policy: "low", At: noon, SetAt: noon}, announceAudit()); err != nil {
		t.Fatal(err)
	}
	before, file := db.held(t), must(fileAndRecords(ctx, db, "serde"))(t)
	runs := must(db.CheckRuns(ctx, r.ID))(t)
	for _, sql := range []string{
		`UPDATE audit_log SET actor = 'nobody'`,
		`DELETE FROM audit_log`,
		`UPDATE check_runs SET conclusion = 'failure' WHERE status = 'completed'`,
		`UPDATE check_runs SET status = 'queued' WHERE status = 'completed'`,
		`DELETE FROM check_runs WHERE status = 'completed'`,
		`DELETE FROM check_runs`,
		`UPDATE releases SET version = '6.6.6'`,
		`UPDATE releases SET size = 1`,
		`DELETE FROM releases`,
		`DELETE FROM incidents`,
		`UPDATE line_records SET checksum = (SELECT line FROM decisions)`,
		`UPDATE line_records SET first_seen_at = NULL`,
		`DELETE FROM line_records`,
		`UPDATE line_events SET detail = 'nothing'`,
		`DELETE FROM line_events`,
		`UPDATE exceptions SET reason = 'other' WHERE ended_at IS NULL`,
		`UPDATE exceptions SET expires_at = ended_at`,
		`UPDATE exceptions SET ended_at = NULL, ended_by = '' WHERE ended_at IS NOT NULL`,
		`DELETE FROM exceptions`,
		`UPDATE rulings SET action = 'block'`,
		`DELETE FROM rulings`,
		`UPDATE decisions SET state = 'allowed'`,
		`DELETE FROM decisions`,
		`UPDATE fetches SET actor = 'nobody'`,
		`DELETE FROM fetches`,
		`UPDATE review_requests SET reason = 'none'`,
		`DELETE FROM review_requests`,
		`UPDATE baselines SET actor = 'nobody'`,
		`DELETE FROM baselines`,
		// What no table may say.
		`INSERT INTO check_runs (release_id, check_name, check_version, attempt, status, queued_at)
			SELECT release_id, check_name, check_version, attempt + 1, status, queued_at FROM check_runs WHERE status = 'queued'`,
		`UPDATE check_runs SET status = 'lost' WHERE status = 'queued'`,
		`UPDATE check_runs SET status = 'completed' WHERE status = 'queued'`,
		`UPDATE check_runs SET status = 'in_progress' WHERE status = 'queued'`,
	} {
		if err := db.Exec(ctx, sql); err == nil {
			t.Errorf("%s: succeeded", sql)
		}
	}
	same(t, "held", before, db.held(t))
	same(t, "index file", file, must(fileAndRecords(ctx, db, "serde"))(t))
	same(t, "runs", runs, must(db.CheckRuns(ctx, r.ID))(t))
	if err := db.Exec(ctx, `UPDATE releases SET publisher = 'somebody'`); err != nil {
		t.Errorf("a release's other columns are free to change: %v", err)
	}
}
