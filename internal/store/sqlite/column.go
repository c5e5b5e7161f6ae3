package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"time"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/store"
)

// A scanner is a row to read.
type scanner interface{ Scan(dest ...any) error }

// A rowQuerier is a database or a transaction on it.
type rowQuerier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// An instant is a time as the database keeps it: Unix milliseconds, NULL for the
// zero time.
type instant time.Time

// Value implements driver.Valuer.
func (i instant) Value() (driver.Value, error) {
	if time.Time(i).IsZero() {
		return nil, nil
	}
	return time.Time(i).UnixMilli(), nil
}

// Scan implements sql.Scanner.
func (i *instant) Scan(src any) error {
	switch src := src.(type) {
	case nil:
		*i = instant{}
	case int64:
		*i = instant(time.UnixMilli(src).UTC())
	default:
		return fmt.Errorf("scan time: %T is not an integer", src)
	}
	return nil
}

// A digest is a SHA-256 as the database keeps it: 32 bytes.
type digest crate.Checksum

// Value implements driver.Valuer.
func (d digest) Value() (driver.Value, error) { return d[:], nil }

// Scan implements sql.Scanner.
func (d *digest) Scan(src any) error {
	b, ok := src.([]byte)
	if !ok || len(b) != len(d) {
		return fmt.Errorf("scan digest: %T is not %d bytes", src, len(d))
	}
	*d = digest(b)
	return nil
}

// A document is a value kept as JSON text, read through a pointer. NULL leaves
// it as it is.
type document struct{ of any }

// Value implements driver.Valuer.
func (d document) Value() (driver.Value, error) {
	text, err := store.EncodeJSON(d.of)
	return string(text), err
}

// Scan implements sql.Scanner.
func (d document) Scan(src any) error {
	text, ok := src.(string)
	if src == nil {
		return nil
	}
	if !ok {
		return fmt.Errorf("scan JSON: %T is not text", src)
	}
	return json.Unmarshal([]byte(text), d.of)
}

// raw is JSON that the store does not look into; NULL where there is none.
type raw json.RawMessage

// Value implements driver.Valuer.
func (r raw) Value() (driver.Value, error) {
	if len(r) == 0 {
		return nil, nil
	}
	return document{json.RawMessage(r)}.Value()
}

// Scan implements sql.Scanner.
func (r *raw) Scan(src any) error {
	return document{(*json.RawMessage)(r)}.Scan(src)
}
