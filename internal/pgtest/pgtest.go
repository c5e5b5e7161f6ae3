// Package pgtest gives tests a PostgreSQL database of their own.
//
// Where CRATEFENCE_TEST_POSTGRES names a server (a URL or key=value list, by
// whose user databases may be created), databases are made there. Otherwise a
// private cluster is started from the PostgreSQL that is installed, on a Unix
// socket in a temporary folder, once per test process; where none is installed
// the test is skipped.
package pgtest

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Variable names the environment variable with the server to use.
const Variable = "CRATEFENCE_TEST_POSTGRES"

// server is the DSN of the server that databases are made on, found or started
// by the first test that asks.
var server = sync.OnceValues(func() (string, error) {
	if dsn := os.Getenv(Variable); dsn != "" {
		return dsn, nil
	}
	bin, err := findBin()
	if err != nil {
		return "", err
	}
	return start(bin)
})

// Database returns the DSN of an empty database, which is dropped when the test
// ends.
func Database(t testing.TB) string {
	t.Helper()
	dsn, err := server()
	if missing := (*missingError)(nil); asMissing(err, &missing) {
		t.Skip(missing)
	}
	if err != nil {
		t.Fatal(err)
	}
	name := "cratefence_test_" + strings.ToLower(rand.Text())
	execute(t, dsn, "CREATE DATABASE "+name+" ENCODING 'UTF8' TEMPLATE template0")
	t.Cleanup(func() { execute(t, dsn, "DROP DATABASE "+name+" WITH (FORCE)") })
	return named(t, dsn, name)
}

// execute runs a statement on the server's own database.
func execute(t testing.TB, dsn, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatalf("connect to test server: %v", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// named returns dsn with another database, and leaves the rest of it alone.
func named(t testing.TB, dsn, name string) string {
	t.Helper()
	if !strings.HasPrefix(dsn, "postgres://") && !strings.HasPrefix(dsn, "postgresql://") {
		return dsn + " dbname=" + name // the last word of a key counts
	}
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatalf("parse %s: it is not a URL", Variable) // it may hold a password
	}
	u.Path = "/" + name
	return u.String()
}

// Outage cuts a database of Database off: its connections end, and no new ones
// are taken until it is called again with false.
func Outage(t testing.TB, dsn string, out bool) {
	t.Helper()
	admin, err := server()
	if err != nil {
		t.Fatal(err)
	}
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal("parse DSN: it is none") // it may hold a password
	}
	name := pgx.Identifier{config.Database}.Sanitize()
	if !out {
		execute(t, admin, "ALTER DATABASE "+name+" ALLOW_CONNECTIONS true")
		return
	}
	execute(t, admin, "ALTER DATABASE "+name+" ALLOW_CONNECTIONS false")
	execute(t, admin, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '"+config.Database+"'")
}
