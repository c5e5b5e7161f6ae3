package pgtest

import (
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestDatabase(t *testing.T) {
	ctx := t.Context()
	for range 2 { // each is empty
		conn, err := pgx.Connect(ctx, Database(t))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(ctx)
		if _, err := conn.Exec(ctx, `CREATE TABLE one (n integer)`); err != nil {
			t.Error(err)
		}
	}
}
