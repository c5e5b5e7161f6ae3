package gate

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strings"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/store"
)

// An Admission is the answer to a download.
type Admission struct {
	// Decision passes only for the bytes that were asked for: those first seen.
	Decision policy.Decision
	// Listed: the index has the version, with these bytes.
	Listed bool
	// TakenIn: its bytes were fetched and its checks queued.
	TakenIn bool
	// Code finds the decision's page.
	Code string
	// Wait is closed when something of the crate changes. It is nil unless waiting
	// a few seconds is worth while.
	Wait <-chan struct{}
}

// Rules of reasons that the gate gives, beside the policy's.
const (
	ruleNoVersion = "no-such-version"
	ruleNotThese  = "other-bytes"
)

// Admit decides on a download, on evidence of this moment. The name and version
// are as the index writes them. The error wraps ErrNotReady,
// ErrPolicy, ErrUnknown or ErrUnreadable.
func (g *Gate) Admit(_ context.Context, policyName, name, version string, sum crate.Checksum) (Admission, error) {
	r, err := g.regime(policyName)
	if err != nil {
		return Admission{}, fmt.Errorf("admit %q %q: %w", name, version, err)
	}
	s := g.crates.get(store.IndexKey(name))
	if s == nil || s.entry.Load() == nil {
		return Admission{}, fmt.Errorf("admit %q %q: %w", name, version, ErrUnknown)
	}
	e := s.entry.Load()
	q, err := g.inquire(r, e, g.Now())
	if err != nil {
		return Admission{}, fmt.Errorf("admit %q %q: %w", name, version, err)
	}
	i, ok := q.l.find(e, name, version)
	if !ok {
		return Admission{Decision: refusal(ruleNoVersion, policy.Hold, "no such version stands in the index")}, nil
	}
	v := q.settle(i)
	if sum != v.evidence.Checksum {
		return Admission{Decision: refusal(ruleNotThese, policy.Block, "these are not the bytes that were first seen under this version")}, nil
	}
	a := Admission{Decision: v.decision, Listed: true, TakenIn: e.release(&q.l.entries[i]) != nil, Code: g.code(r, &v.evidence)}
	if !v.decision.Passes() || q.notable() && q.notableVersion(i, v) {
		g.record(q, i, v) // the view may say otherwise for a moment longer
	}
	if v.decision.Pending {
		a.Wait = s.after(e)
	}
	return a, nil
}

func refusal(rule string, v policy.Verdict, text string) policy.Decision {
	state := policy.Unknown
	if v == policy.Block {
		state = policy.Quarantined
	}
	return policy.Decision{State: state, Reasons: []policy.Reason{{Rule: rule, Verdict: v, Text: text}}}
}

// code makes the code of the decisions on a release under a policy. Every replica
// makes the same, before and after it is recorded, so that it can stand in an
// answer which waits for no store.
func (g *Gate) code(r *regime, ev *policy.Evidence) string {
	h := hmac.New(sha256.New, g.CodeKey)
	fmt.Fprintf(h, "%s\n%s\n%s\n%s", r.Name, ev.Name, ev.Version, ev.Checksum)
	return strings.ToLower(base32.StdEncoding.EncodeToString(h.Sum(nil))[:10])
}
