package registry

import (
	"context"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/gate"
)

// A Gate says what is let through. It answers from memory.
type Gate interface {
	// Ready is nil once the gate can answer.
	Ready() error
	// Policies are the names of those in force.
	Policies() []string
	// Index returns a crate's index file as a policy has it served. The error wraps
	// gate.ErrPolicy or gate.ErrUnknown where that is why.
	Index(policy, key string) (gate.Served, error)
	// Admit decides on a release at the time of the call, with errors as Index has.
	// Nothing but an Admission that passes lets bytes out.
	Admit(ctx context.Context, policy, name, version string, sum crate.Checksum) (gate.Admission, error)
}
