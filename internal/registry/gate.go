package registry

import (
	"context"
	"errors"
	"time"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/policy"
)

// A Gate says what is let through. It answers from memory.
type Gate interface {
	// Ready is nil once the gate can answer.
	Ready() error
	// Policies are the names of those in force.
	Policies() []string
	// Index returns a crate's index file as a policy has it served. The error wraps
	// ErrPolicy or ErrUnknown where that is why.
	Index(policy, key string) (Served, error)
	// Admit decides on a release at the time of the call. Nothing but an Admission
	// that passes lets bytes out.
	Admit(ctx context.Context, policy, name, version string, sum crate.Checksum) (Admission, error)
}

// Errors of a Gate and a Mirror.
var (
	ErrPolicy  = errors.New("no such policy")
	ErrUnknown = errors.New("no such crate")
	ErrNoCrate = errors.New("upstream has no such crate")
)

// Served is an index file.
type Served struct {
	Gzip     []byte // compressed
	Size     int    // unpacked
	ETag     string // with its quotes; a function of the policy and the bytes
	Modified time.Time
}

// An Admission is what a gate says of a release.
type Admission struct {
	Decision policy.Decision
	// Listed: the index has the release, with this checksum. A decision on what is
	// not listed holds.
	Listed bool
	// TakenIn: its bytes are here and its checks are queued at least.
	TakenIn bool
	// Code finds the decision's page, below /r/; "" for none.
	Code string
	// Wait is closed when something of the crate changes.
	Wait <-chan struct{}
}
