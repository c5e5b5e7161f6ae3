package ruling

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/index"
	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/store"
)

var noon = time.Date(2026, 8, 20, 12, 0, 0, 0, time.UTC)

// A memory keeps what people said in the open.
type memory struct {
	releases   map[string]store.Release // by name@version
	files      map[string]store.IndexFile
	records    map[string][]store.LineRecord
	rulings    []store.Ruling
	exceptions []store.Exception
	requests   []store.ReviewRequest
	decisions  []store.DecisionRecord
	lines      []string
	audits     []store.AuditEntry
	err        error
}

func (m *memory) Release(_ context.Context, name, version string) (store.Release, error) {
	if r, ok := m.releases[name+"@"+version]; ok {
		return r, m.err
	}
	return store.Release{}, errors.Join(m.err, fmt.Errorf("release: %w", store.ErrNotFound))
}

func (m *memory) IndexFile(_ context.Context, key string) (store.IndexFile, []store.LineRecord, error) {
	if f, ok := m.files[key]; ok {
		return f, m.records[key], nil
	}
	return store.IndexFile{}, nil, store.ErrNotFound
}

func (m *memory) AddRuling(_ context.Context, r store.Ruling, audit store.AuditEntry) (store.Ruling, error) {
	newest := store.ID(0)
	for _, known := range m.rulings {
		if known.Checksum == r.Checksum && known.Policy == r.Policy {
			newest = known.ID
		}
	}
	if newest != r.After {
		return store.Ruling{}, store.ErrConflict
	}
	r.ID = store.ID(len(m.rulings) + 1)
	m.rulings, m.audits = append(m.rulings, r), append(m.audits, audit)
	return r, m.err
}

func (m *memory) AddException(_ context.Context, e store.Exception, audit store.AuditEntry) (store.Exception, error) {
	e.ID = store.ID(len(m.exceptions) + 1)
	m.exceptions, m.audits = append(m.exceptions, e), append(m.audits, audit)
	return e, m.err
}

func (m *memory) EndException(_ context.Context, id store.ID, by string, at time.Time, audit store.AuditEntry) (store.Exception, error) {
	for i := range m.exceptions {
		if e := &m.exceptions[i]; e.ID == id {
			e.EndedAt, e.EndedBy = at, by
			m.audits = append(m.audits, audit)
			return *e, nil
		}
	}
	return store.Exception{}, store.ErrNotFound
}

func (m *memory) AddReviewRequest(_ context.Context, r store.ReviewRequest, audit store.AuditEntry) (store.ReviewRequest, bool, error) {
	m.requests, m.audits = append(m.requests, r), append(m.audits, audit)
	return r, true, nil
}

func (m *memory) AcceptLine(_ context.Context, key, version string, _ [32]byte, _ time.Time, audit store.AuditEntry) error {
	m.lines, m.audits = append(m.lines, "accept "+key+" "+version), append(m.audits, audit)
	return m.err
}

func (m *memory) HonourYank(_ context.Context, key, version string, _ time.Time, audit store.AuditEntry) error {
	if version == "0.3.9" {
		return store.ErrNotFound // nothing happened to it
	}
	m.lines, m.audits = append(m.lines, "honour "+key+" "+version), append(m.audits, audit)
	return m.err
}

func (m *memory) Decisions(_ context.Context, q store.DecisionQuery) (list []store.DecisionRecord, _ error) {
	for _, d := range m.decisions {
		if d.Policy == q.Policy && d.Crate == q.Crate && d.Version == q.Version {
			list = append(list, d)
		}
	}
	return list, m.err
}

// written are the policies of a file.
type written struct{ *policy.Set }

func (w written) Policy(name string) (*policy.Policy, bool) {
	p := w.Set.Policy(name)
	return p, p != nil
}

func (w written) Policies() (names []string) {
	for _, p := range w.Set.Policies() {
		names = append(names, p.Name)
	}
	return names
}

func parse(t *testing.T, text string) written {
	t.Helper()
	set, err := policy.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return written{set}
}

func line(version string) string {
	return fmt.Sprintf(`{"name":"Array-Ref","vers":%q,"deps":[],"cksum":%q,"features":{},"yanked":false}`+"\n", version, crate.Sum([]byte(version)))
}

// newDesk has one crate: 0.3.9 and 0.3.10 in the index, 0.3.10 taken in too.
func newDesk(t *testing.T) (*Desk, *memory, *[]string) {
	text := line("0.3.9") + line("0.3.10")
	m := &memory{
		files: map[string]store.IndexFile{"array-ref": {Key: "array-ref", Name: "Array-Ref", Lines: index.Pack([]byte(text)), Size: len(text)}},
		releases: map[string]store.Release{
			"array-ref@0.3.10": {ID: 1, Crate: "Array-Ref", Version: "0.3.10", Checksum: crate.Sum([]byte("0.3.10")), Publisher: "github:mallory"},
			"by-hand@1.0.0":    {ID: 2, Crate: "by-hand", Version: "1.0.0", Checksum: crate.Sum([]byte("by hand"))},
			"robot@1.0.0":      {ID: 4, Crate: "robot", Version: "1.0.0", Checksum: crate.Sum([]byte("robot")), Publisher: "github:acme/robot"},
			"by-hand@1.0.1":    {ID: 3, Crate: "by-hand", Version: "1.0.1", Checksum: crate.Sum([]byte("by hand")), Via: store.ViaSubmit, Publisher: "github:mallory"},
		},
	}
	told := &[]string{}
	return &Desk{
		Store: m, Releases: m, Lines: m, Policies: parse(t, "[policy.default]\npreset = \"low\"\n[policy.high]\npreset = \"high\"\n"), Now: func() time.Time { return noon },
		People: People{
			{Name: "Alice", Actors: []string{"token:alice"}, Publishers: []string{"github:alice"}},
			{Name: "Mallory", Actors: []string{"token:mallory", "cli:mallory"}, Publishers: []string{"GitHub:Mallory"}},
		},
		Changed: func(_ context.Context, key string) { *told = append(*told, key) },
	}, m, told
}

func on(policyName, version string) Subject { return Subject{policyName, "array-ref", version} }

func TestWhoMayDecide(t *testing.T) {
	tests := []struct {
		name          string
		subject       Subject
		actor         string
		wantImpartial bool
		want          error
	}{
		{name: "somebody else", subject: on("default", "0.3.10"), actor: "token:alice", wantImpartial: true},
		{name: "somebody else, where it is demanded", subject: on("high", "0.3.10"), actor: "token:alice", wantImpartial: true},
		{name: "the publisher, however the account is written", subject: on("default", "0.3.10"), actor: "token:mallory", want: ErrOwn},
		{name: "the publisher at the machine itself", subject: on("default", "0.3.10"), actor: "cli:mallory", want: ErrOwn},
		{name: "an unlinked person", subject: on("default", "0.3.10"), actor: "token:ci"},
		{name: "an unlinked person, where it is demanded", subject: on("high", "0.3.10"), actor: "token:ci", want: ErrPartial},
		{ // who published is not known, so nobody is known not to be it
			name: "an unknown publisher", subject: on("default", "0.3.9"), actor: "token:alice",
		},
		{name: "an unknown publisher, where it is demanded", subject: on("high", "0.3.9"), actor: "token:alice", want: ErrPartial},
		{ // who brings the bytes may say that anybody published them
			name: "a publisher that only the submitter names", subject: Subject{"default", "by-hand", "1.0.1"}, actor: "token:alice",
		},
		{
			name: "a publisher that only the submitter names, where it is demanded", subject: Subject{"high", "by-hand", "1.0.1"}, actor: "token:alice", want: ErrPartial,
		},
		{ // any maintainer may have had the robot publish
			name: "a project's automation", subject: Subject{"default", "robot", "1.0.0"}, actor: "token:alice",
		},
		{name: "a project's automation, where it is demanded", subject: Subject{"high", "robot", "1.0.0"}, actor: "token:alice", want: ErrPartial},
		{name: "one who says of themselves to have published", subject: Subject{"default", "by-hand", "1.0.1"}, actor: "token:mallory", want: ErrOwn},
		{name: "no policy", subject: on("", "0.3.9"), actor: "token:alice", want: ErrInvalid},
		{name: "no such policy", subject: on("none", "0.3.9"), actor: "token:alice", want: ErrInvalid},
		{name: "no such version", subject: on("default", "0.3.11"), actor: "token:alice", want: store.ErrNotFound},
		{name: "no such crate", subject: Subject{"default", "nobody", "1.0.0"}, actor: "token:alice", want: store.ErrNotFound},
		{name: "no crate's name", subject: Subject{"default", "../x", "1.0.0"}, actor: "token:alice", want: ErrInvalid},
		{name: "no version", subject: on("default", "latest"), actor: "token:alice", want: ErrInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, m, told := newDesk(t)
			made, err := d.Rule(t.Context(), Order{Subject: tt.subject, Action: policy.ActAllow, Reason: "read it"}, tt.actor)
			if !errors.Is(err, tt.want) || made.Impartial != tt.wantImpartial {
				t.Fatalf("Rule = impartial %v, %v; want %v, %v", made.Impartial, err, tt.wantImpartial, tt.want)
			}
			// Every way of letting something through asks the same.
			if _, err := d.Except(t.Context(), Waiver{Subject: tt.subject, Rule: "cool-off", Reason: "read it"}, tt.actor); !errors.Is(err, tt.want) {
				t.Errorf("Except: %v, want %v", err, tt.want)
			}
			if tt.want == nil {
				return
			}
			if len(m.rulings)+len(m.exceptions)+len(m.audits)+len(*told) != 0 {
				t.Errorf("a refusal wrote %v, %v, told %v", m.rulings, m.exceptions, *told)
			}
			// Whoever may not decide may ask others to.
			if _, _, err := d.AskReview(t.Context(), tt.subject, "needed", tt.actor); errors.Is(err, ErrInvalid) != errors.Is(tt.want, ErrInvalid) {
				t.Errorf("AskReview: %v", err)
			}
		})
	}
}

func TestRuleWrites(t *testing.T) {
	d, m, told := newDesk(t)
	made, err := d.Rule(t.Context(), Order{Subject: on("default", "0.3.10"), Action: policy.ActBlock, Reason: " ships a beacon \n"}, "token:alice")
	if err != nil {
		t.Fatal(err)
	}
	want := store.Ruling{
		ID: 1, Policy: "default", Crate: "Array-Ref", Version: "0.3.10", Checksum: crate.Sum([]byte("0.3.10")),
		Action: policy.ActBlock, Reason: "ships a beacon", Author: "token:alice", Impartial: true, At: noon,
	}
	if diff := cmp.Diff(want, made); diff != "" {
		t.Errorf("ruling (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"array-ref"}, *told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if a := m.audits[0]; a.Action != "release.block" || a.Actor != "token:alice" || a.Object != "array-ref@0.3.10" {
		t.Errorf("audit entry %+v", a)
	}
	// Who has not seen that decision does not undo it.
	if _, err := d.Rule(t.Context(), Order{Subject: on("default", "0.3.10"), Action: policy.ActAllow, Reason: "fine"}, "token:ci"); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a decision past another: %v, want a conflict", err)
	}
	if _, err := d.Rule(t.Context(), Order{Subject: on("default", "0.3.10"), Action: policy.ActAllow, Reason: "fine", After: made.ID}, "token:ci"); err != nil {
		t.Errorf("a later decision: %v", err)
	}
}

// What was first seen under a version is decided on, wherever it is known from.
func TestDecisionsBindToTheBytesFirstSeen(t *testing.T) {
	other := crate.Sum([]byte("other"))
	tests := []struct {
		name    string
		subject Subject
		edit    func(*memory)
		want    crate.Checksum
	}{
		{name: "an index line", subject: on("default", "0.3.9"), want: crate.Sum([]byte("0.3.9"))},
		{name: "taken in alone", subject: Subject{"default", "by-hand", "1.0.0"}, want: crate.Sum([]byte("by hand"))},
		{
			name: "a record of it", subject: on("default", "0.3.9"), want: other,
			edit: func(m *memory) {
				m.records = map[string][]store.LineRecord{"array-ref": {{Version: "0.3.10"}, {Version: "0.3.9", Checksum: other}}}
			},
		},
	}
	for _, tt := range tests {
		d, m, _ := newDesk(t)
		if tt.edit != nil {
			tt.edit(m)
		}
		got, err := d.Rule(t.Context(), Order{Subject: tt.subject, Action: policy.ActKeep, Reason: "seen"}, "token:ci")
		if err != nil || got.Checksum != tt.want {
			t.Errorf("%s: bound to %s, %v; want %s", tt.name, got.Checksum, err, tt.want)
		}
	}
}

// The publisher of other bytes is not the publisher of those first seen.
func TestPublisherIsOfTheSameBytes(t *testing.T) {
	d, m, _ := newDesk(t)
	m.records = map[string][]store.LineRecord{"array-ref": {{Version: "0.3.10", Checksum: crate.Sum([]byte("first"))}}}
	made, err := d.Rule(t.Context(), Order{Subject: on("default", "0.3.10"), Action: policy.ActKeep, Reason: "seen"}, "token:alice")
	if err != nil || made.Impartial {
		t.Errorf("Rule = impartial %v, %v; the publisher is not known", made.Impartial, err)
	}
}

func TestExceptionTerms(t *testing.T) {
	tests := []struct {
		name    string
		rule    string
		expires time.Time
		want    time.Time // zero is refused
	}{
		{"none is said", "cool-off", time.Time{}, noon.Add(DefaultTerm)},
		{"a week", "cool-off", noon.Add(7 * 24 * time.Hour), noon.Add(7 * 24 * time.Hour)},
		{"the longest", "check/provenance/failure", noon.Add(MaxTerm), noon.Add(MaxTerm)},
		{"longer", "cool-off", noon.Add(MaxTerm + time.Second), time.Time{}},
		{"over already", "cool-off", noon, time.Time{}},
		{"a rule that nothing lifts", policy.RuleOtherBytes, noon.Add(time.Hour), time.Time{}},
		{"a rule that no decision uses", "cooloff", noon.Add(time.Hour), time.Time{}},
		{"a rule that is none any more, and holds it still", "rule/of-old", noon.Add(time.Hour), noon.Add(time.Hour)},
		{"a rule that held other bytes", "rule/of-others", noon.Add(time.Hour), time.Time{}},
		{"no rule", "", noon.Add(time.Hour), time.Time{}},
		{"a rule that is none", "cool\x00off", noon.Add(time.Hour), time.Time{}},
	}
	for _, tt := range tests {
		d, m, _ := newDesk(t)
		m.decisions = []store.DecisionRecord{decidedBy("0.3.10", "rule/of-old"), decidedBy("another", "rule/of-others")}
		made, err := d.Except(t.Context(), Waiver{Subject: on("default", "0.3.10"), Rule: tt.rule, Reason: "needed", Expires: tt.expires}, "token:alice")
		if tt.want.IsZero() != errors.Is(err, ErrInvalid) || !made.ExpiresAt.Equal(tt.want) {
			t.Errorf("%s: until %v, %v; want %v", tt.name, made.ExpiresAt, err, tt.want)
		}
	}
}

// decidedBy is a decision that holds 0.3.10 of some bytes by a rule.
func decidedBy(bytes, rule string) store.DecisionRecord {
	return store.DecisionRecord{
		Policy: "default", Crate: "Array-Ref", Version: "0.3.10", Checksum: crate.Sum([]byte(bytes)),
		Decision: policy.Decision{State: policy.Held, Reasons: []policy.Reason{
			{Rule: rule, Verdict: policy.Hold}, {Rule: policy.RuleUnchecked, Verdict: policy.Hold}, {Rule: policy.RuleTrusted, Verdict: policy.Allow},
		}},
	}
}

// Who names a rule that there is not is told which there are.
func TestUnknownRule(t *testing.T) {
	d, m, _ := newDesk(t)
	for _, tt := range []struct {
		decisions []store.DecisionRecord
		want      string
	}{
		{nil, "invalid decision: policy \"default\" has no rule \"cooloff\" that keeps array-ref@0.3.10 back; did you mean \"cool-off\"? nothing that an exception is for holds it now"},
		{
			[]store.DecisionRecord{decidedBy("0.3.10", "first-dependency")},
			"invalid decision: policy \"default\" has no rule \"cooloff\" that keeps array-ref@0.3.10 back; did you mean \"cool-off\"? it is held by first-dependency",
		},
	} {
		m.decisions = tt.decisions
		_, err := d.Except(t.Context(), Waiver{Subject: on("default", "0.3.10"), Rule: "cooloff", Reason: "needed"}, "token:alice")
		if !errors.Is(err, ErrInvalid) || err.Error() != tt.want {
			t.Errorf("said\n%v, want\n%s", err, tt.want)
		}
	}
}

func TestReasons(t *testing.T) {
	tests := []struct {
		reason string
		want   bool
	}{
		{"read every line of it", true},
		{"two\r\nlines", true},
		{strings.Repeat("é", 250), true},
		{strings.Repeat("é", 251), false},
		{"", false},
		{" \n", false},
		{"evil \u202e reason", false},
		{"\x1b[31m", false},
		{"\xff", false},
	}
	for _, tt := range tests {
		d, _, _ := newDesk(t)
		if _, _, err := d.AskReview(t.Context(), on("default", "0.3.10"), tt.reason, "anonymous"); errors.Is(err, ErrInvalid) == tt.want {
			t.Errorf("reason %q: %v, want it taken: %v", tt.reason, err, tt.want)
		}
	}
}

func TestExpire(t *testing.T) {
	d, m, told := newDesk(t)
	made, err := d.Except(t.Context(), Waiver{Subject: on("default", "0.3.10"), Rule: "cool-off", Reason: "needed"}, "token:alice")
	if err != nil {
		t.Fatal(err)
	}
	// It lets nothing through, so that even the publisher may.
	if _, err := d.Expire(t.Context(), made.ID, "token:mallory"); err != nil {
		t.Fatal(err)
	}
	if e := m.exceptions[0]; e.EndedBy != "token:mallory" || !e.EndedAt.Equal(noon) || len(*told) != 2 {
		t.Errorf("exception %+v, told %v", e, *told)
	}
	if _, err := d.Expire(t.Context(), 99, "token:alice"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("of none: %v", err)
	}
}

// A line belongs to every policy, and the strictest of them says who may.
func TestLines(t *testing.T) {
	d, m, _ := newDesk(t)
	if err := d.AcceptLine(t.Context(), on("default", "0.3.10"), [32]byte{}, "an optional feature", "token:ci"); !errors.Is(err, ErrPartial) {
		t.Errorf("by an unlinked person: %v", err)
	}
	if err := d.HonourYank(t.Context(), on("default", "0.3.10"), "broken", "token:mallory"); !errors.Is(err, ErrOwn) {
		t.Errorf("by the publisher: %v", err)
	}
	if err := d.AcceptLine(t.Context(), on("default", "0.3.10"), [32]byte{}, "seen", "token:alice"); err != nil {
		t.Error(err)
	}
	if err := d.HonourYank(t.Context(), on("default", "0.3.10"), "seen", "token:alice"); err != nil {
		t.Error(err)
	}
	if err := d.HonourYank(t.Context(), on("default", "0.3.9"), "seen", "cli:root"); !errors.Is(err, ErrPartial) {
		t.Errorf("where it is demanded: %v", err)
	}
	d.Policies = parse(t, "[policy.default]\npreset = \"low\"\n")
	if err := d.HonourYank(t.Context(), on("default", "0.3.9"), "seen", "cli:root"); !errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) {
		t.Errorf("of a line to which nothing happened: %v", err)
	}
	if diff := cmp.Diff([]string{"accept array-ref 0.3.10", "honour array-ref 0.3.10"}, m.lines); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

// A store in trouble is not taken for a release that is not there.
func TestBrokenStore(t *testing.T) {
	d, m, told := newDesk(t)
	m.err = errors.New("the disk is gone")
	if _, err := d.Rule(t.Context(), Order{Subject: on("default", "0.3.10"), Action: policy.ActAllow, Reason: "fine"}, "token:alice"); !errors.Is(err, m.err) || len(*told) != 0 {
		t.Errorf("Rule: %v, told %v", err, *told)
	}
}

// Each of those who did not sign in is heard, and nobody twice for the same words.
func TestAnonymousAskers(t *testing.T) {
	d, m, _ := newDesk(t)
	for _, reason := range []string{"the build is red", "it fixes a leak", " the build is red\n"} {
		if _, _, err := d.AskReview(t.Context(), on("default", "0.3.10"), reason, "anonymous"); err != nil {
			t.Fatal(err)
		}
	}
	first, second, again := m.requests[0].Actor, m.requests[1].Actor, m.requests[2].Actor
	if first == second || first != again || !strings.HasPrefix(first, "anonymous ") {
		t.Errorf("asked by %q, %q and %q, want two askers", first, second, again)
	}
	if m.audits[0].Actor != "anonymous" {
		t.Errorf("the audit log names %q", m.audits[0].Actor)
	}
	actors := map[string]bool{}
	for i := range 1000 {
		actors[asker("anonymous", fmt.Sprint(i))] = true
	}
	if len(actors) > 64 {
		t.Errorf("a thousand askers are %d, want at most 64", len(actors))
	}
}
