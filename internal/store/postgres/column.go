package postgres

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"time"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/store"
)

// An instant is a time as the database keeps it: NULL for the zero time.
type instant time.Time

// Value implements driver.Valuer.
func (i instant) Value() (driver.Value, error) {
	if time.Time(i).IsZero() {
		return nil, nil
	}
	return store.Instant(time.Time(i)), nil
}

// Scan implements sql.Scanner.
func (i *instant) Scan(src any) error {
	switch src := src.(type) {
	case nil:
		*i = instant{}
	case time.Time:
		*i = instant(src.UTC())
	default:
		return fmt.Errorf("scan time: %T is not a time", src)
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

// A document is a value kept as JSON, read through a pointer. NULL leaves it as
// it is. The columns are json, not jsonb: what a check wrote is given back as it
// was written, escaped NUL included.
type document struct{ of any }

// Value implements driver.Valuer.
func (d document) Value() (driver.Value, error) {
	text, err := store.EncodeJSON(d.of)
	return string(text), err
}

// Scan implements sql.Scanner.
func (d document) Scan(src any) error {
	switch src := src.(type) {
	case nil:
		return nil
	case string:
		return json.Unmarshal([]byte(src), d.of)
	case []byte:
		return json.Unmarshal(src, d.of)
	}
	return fmt.Errorf("scan JSON: %T is not text", src)
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
