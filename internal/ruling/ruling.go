// Package ruling is the one way by which a person's word on a release enters:
// rulings, exceptions, index lines accepted, yanks honoured, and wishes for a
// review. Pages, API and command line all call it.
//
// It knows who may not decide on what, how long an exception may last and what
// a reason has to be; it does not know what becomes of a release, which is the
// policy's to say. Who may decide at all was asked before, of a token.
package ruling

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/store"
)

var (
	// ErrInvalid wraps what is wrong with what was asked.
	ErrInvalid = errors.New("invalid decision")
	// ErrOwn: nobody decides on a release that they published.
	ErrOwn = errors.New("one's own release")
	// ErrPartial: the policy asks to know that the author did not publish the
	// release, and that is not known of this author.
	ErrPartial = errors.New("not checked for self-approval")
)

// How long an exception lasts.
const (
	DefaultTerm = 30 * 24 * time.Hour
	MaxTerm     = 366 * 24 * time.Hour
)

// maxReason bounds a reason, in bytes.
const maxReason = 500

// Store keeps what people said. Each method is one durable transaction that
// writes the audit entry with it, and tells every gate.
type Store interface {
	// AddRuling wraps store.ErrConflict when another ruling stands than After.
	AddRuling(ctx context.Context, r store.Ruling, audit store.AuditEntry) (store.Ruling, error)
	AddException(ctx context.Context, e store.Exception, audit store.AuditEntry) (store.Exception, error)
	// EndException wraps store.ErrNotFound when there is none, store.ErrConflict
	// when it has ended already.
	EndException(ctx context.Context, id store.ID, by string, at time.Time, audit store.AuditEntry) (store.Exception, error)
	// AddReviewRequest returns the request that is kept, and whether it is new.
	AddReviewRequest(ctx context.Context, r store.ReviewRequest, audit store.AuditEntry) (store.ReviewRequest, bool, error)
	Decisions(ctx context.Context, q store.DecisionQuery) ([]store.DecisionRecord, error)
}

// Policies are the policies in force.
type Policies interface {
	Policy(name string) (*policy.Policy, bool)
	Policies() []string // their names
}

// A Desk takes what people say.
type Desk struct {
	Store    Store
	Releases Releases
	Lines    Lines
	Policies Policies
	People   People
	Now      func() time.Time
	// Changed is told, after each write, that something of a crate changed. It may
	// be nil: gates then hear it from the store.
	Changed func(ctx context.Context, key string)
}

// A Subject is what is decided on: a release under a policy.
type Subject struct {
	Policy  string
	Crate   string // as its index lines write it
	Version string
}

func (s Subject) String() string { return s.Crate + "@" + s.Version }

func (s Subject) policy() string {
	if s.Policy == "" {
		return "a policy"
	}
	return fmt.Sprintf("policy %q", s.Policy)
}

// An Order is a ruling to be made.
type Order struct {
	Subject
	Action policy.Action
	Reason string
	// After is the ruling that the author has seen; 0 for none.
	After store.ID
}

// Rule adds a person's decision on a release. The error wraps store.ErrConflict
// when another stands than its author had seen.
func (d *Desk) Rule(ctx context.Context, o Order, actor string) (store.Ruling, error) {
	switch o.Action {
	case policy.ActAllow, policy.ActKeep, policy.ActBlock, policy.ActRevoke:
	default:
		return store.Ruling{}, invalid("action %q: want allow, keep, block or revoke", o.Action)
	}
	found, impartial, err := d.admit(ctx, o.Subject, o.Reason, actor)
	if err != nil {
		return store.Ruling{}, err
	}
	made, err := d.Store.AddRuling(ctx, store.Ruling{
		Policy: o.Policy, Crate: found.Crate, Version: found.Version, Checksum: found.Checksum,
		Action: o.Action, Reason: strings.TrimSpace(o.Reason), Author: actor, Impartial: impartial, After: o.After, At: d.Now().UTC(),
	}, d.audit(actor, "release."+string(o.Action), o.Subject, found.Checksum, map[string]any{"reason": o.Reason, "impartial": impartial}))
	if err != nil {
		return store.Ruling{}, fmt.Errorf("decide on %s: %w", o.Subject, err)
	}
	d.changed(ctx, found.Crate)
	return made, nil
}

// A Waiver is an exception to be made.
type Waiver struct {
	Subject
	Rule    string
	Reason  string
	Expires time.Time // zero is DefaultTerm from now
}

// Except lets one exact release past one rule for a time.
func (d *Desk) Except(ctx context.Context, w Waiver, actor string) (store.Exception, error) {
	now := d.Now().UTC()
	if w.Expires.IsZero() {
		w.Expires = now.Add(DefaultTerm)
	}
	switch {
	case !ruleName(w.Rule):
		return store.Exception{}, invalid("rule %q: want the rule as the decision names it, such as cool-off", w.Rule)
	case !policy.Exceptable(w.Rule):
		return store.Exception{}, invalid("no exception is for the rule %q", w.Rule)
	case !w.Expires.After(now):
		return store.Exception{}, invalid("it would end in the past, at %s", w.Expires.UTC().Format(time.RFC3339))
	case w.Expires.After(now.Add(MaxTerm)):
		return store.Exception{}, invalid("it would last until %s: an exception lasts a year at most", w.Expires.UTC().Format(time.DateOnly))
	}
	found, _, err := d.admit(ctx, w.Subject, w.Reason, actor)
	if err != nil {
		return store.Exception{}, err
	}
	if err := d.knownRule(ctx, w, found); err != nil {
		return store.Exception{}, err
	}
	made, err := d.Store.AddException(ctx, store.Exception{
		Policy: w.Policy, Crate: found.Crate, Version: found.Version, Checksum: found.Checksum,
		Rule: w.Rule, Reason: strings.TrimSpace(w.Reason), Author: actor, CreatedAt: now, ExpiresAt: w.Expires.UTC(),
	}, d.audit(actor, "exception.add", w.Subject, found.Checksum, map[string]any{"rule": w.Rule, "reason": w.Reason, "expires_at": w.Expires.UTC()}))
	if err != nil {
		return store.Exception{}, fmt.Errorf("except %s from %q: %w", w.Subject, w.Rule, err)
	}
	d.changed(ctx, found.Crate)
	return made, nil
}

// Expire ends an exception before its time. Whoever may decide may end any: it
// lets nothing through.
func (d *Desk) Expire(ctx context.Context, id store.ID, actor string) (store.Exception, error) {
	now := d.Now().UTC()
	ended, err := d.Store.EndException(ctx, id, actor, now, store.AuditEntry{
		At: now, Actor: actor, Action: "exception.expire", Object: fmt.Sprintf("exception %d", id),
	})
	if err != nil {
		return ended, fmt.Errorf("end exception %d: %w", id, err)
	}
	d.changed(ctx, ended.Crate)
	return ended, nil
}

// AskReview notes somebody's wish that a release be looked at. Anybody may
// wish, whoever published it; who wished before is told so by created.
func (d *Desk) AskReview(ctx context.Context, s Subject, reason, actor string) (_ store.ReviewRequest, created bool, err error) {
	if err := validReason(reason); err != nil {
		return store.ReviewRequest{}, false, err
	}
	if _, err := d.policy(s.Policy); err != nil {
		return store.ReviewRequest{}, false, err
	}
	found, err := d.find(ctx, s)
	if err != nil {
		return store.ReviewRequest{}, false, err
	}
	made, created, err := d.Store.AddReviewRequest(ctx, store.ReviewRequest{
		Policy: s.Policy, Crate: found.Crate, Version: found.Version, Checksum: found.Checksum,
		Actor: asker(actor, reason), Reason: strings.TrimSpace(reason), At: d.Now().UTC(),
	}, d.audit(actor, "review.ask", s, found.Checksum, nil))
	if err != nil {
		return store.ReviewRequest{}, false, fmt.Errorf("ask for a review of %s: %w", s, err)
	}
	return made, created, nil
}

// asker tells people apart who did not sign in, by what they wrote, for each has
// one wish: who says the same again is the same, and all together are so few that
// nobody is buried under them.
func asker(actor, reason string) string {
	const anonymous, most = "anonymous", 64
	if actor != anonymous {
		return actor
	}
	sum := sha256.Sum256([]byte(strings.TrimSpace(reason)))
	return fmt.Sprintf("%s %d", anonymous, 1+sum[0]%most)
}

// policy finds a policy in force.
func (d *Desk) policy(name string) (*policy.Policy, error) {
	p, ok := d.Policies.Policy(name)
	if name == "" || !ok {
		return nil, invalid("there is no policy %q", name)
	}
	return p, nil
}

// admit finds what is to be decided on under a policy, and refuses who may not.
func (d *Desk) admit(ctx context.Context, s Subject, reason, actor string) (_ found, impartial bool, err error) {
	p, err := d.policy(s.Policy)
	if err != nil {
		return found{}, false, err
	}
	return d.judge(ctx, s, reason, actor, p.Impartial)
}

// judge is admit where it is known what is demanded.
func (d *Desk) judge(ctx context.Context, s Subject, reason, actor string, demanded bool) (_ found, impartial bool, err error) {
	if err := validReason(reason); err != nil {
		return found{}, false, err
	}
	f, err := d.find(ctx, s)
	if err != nil {
		return found{}, false, err
	}
	impartial, err = d.People.judge(actor, f.Publisher)
	impartial = impartial && !f.Claimed // a claim may speak against its author, and never for one
	switch {
	case err != nil:
		return found{}, false, fmt.Errorf("decide on %s: %w", s, err)
	case demanded && !impartial:
		return found{}, false, fmt.Errorf("decide on %s: %w: %s asks to know that %s did not publish it; %s",
			s, ErrPartial, s.policy(), actor, d.People.remedy(actor))
	}
	return f, impartial, nil
}

func (d *Desk) changed(ctx context.Context, name string) {
	if d.Changed != nil {
		d.Changed(ctx, store.IndexKey(name))
	}
}

func (d *Desk) audit(actor, action string, s Subject, sum crate.Checksum, detail map[string]any) store.AuditEntry {
	if detail == nil {
		detail = map[string]any{}
	}
	detail["policy"], detail["checksum"] = s.Policy, sum.String()
	data, err := json.Marshal(detail)
	if err != nil {
		panic(err) // strings, times and booleans
	}
	return store.AuditEntry{At: d.Now().UTC(), Actor: actor, Action: action, Object: s.String(), Detail: data}
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

// validReason wants a sentence that others can read later.
func validReason(reason string) error {
	switch trimmed := strings.TrimSpace(reason); {
	case trimmed == "":
		return invalid("no reason: say in a sentence why, for those who read it later")
	case len(trimmed) > maxReason:
		return invalid("the reason has %d bytes: want at most %d", len(trimmed), maxReason)
	case !utf8.ValidString(trimmed) || strings.ContainsFunc(trimmed, unprintable):
		return invalid("the reason holds characters that cannot be read")
	}
	return nil
}

// unprintable are characters that would hide or reorder what a reason says.
func unprintable(r rune) bool {
	return r != '\n' && r != '\r' && !unicode.IsPrint(r)
}

// ruleName reports whether s can be the name of a rule.
func ruleName(s string) bool {
	const maxRule = 100
	return s != "" && len(s) <= maxRule && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.:/ ", r))
	})
}
