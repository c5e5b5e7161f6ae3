package auth

import (
	"context"
	"time"

	"github.com/cratefence/cratefence/internal/store"
)

// Store keeps tokens and the audit log. Each method is one durable transaction;
// those that write take the entry that the audit log keeps of it.
type Store interface {
	// CreateToken wraps store.ErrConflict when a token of that name is in force.
	CreateToken(ctx context.Context, t store.Token, audit store.AuditEntry) (store.Token, error)
	// Tokens lists all, newest first, expired and revoked ones too.
	Tokens(ctx context.Context) ([]store.Token, error)
	// TokenByHash wraps store.ErrNotFound when there is none. It returns expired
	// and revoked tokens too: the caller judges.
	TokenByHash(ctx context.Context, hash [32]byte) (store.Token, error)
	// RevokeToken revokes the token of that name that is in force; it wraps
	// store.ErrNotFound when there is none.
	RevokeToken(ctx context.Context, name string, at time.Time, audit store.AuditEntry) (store.Token, error)
	// TouchToken notes that a token was used.
	TouchToken(ctx context.Context, id store.ID, at time.Time) error
}
