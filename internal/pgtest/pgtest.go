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
	"fmt"
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

// named returns dsn with another database.
func named(t testing.TB, dsn, name string) string {
	t.Helper()
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatalf("parse %s: %v", Variable, err)
	}
	values := map[string]string{
		"host": cfg.Host, "port": fmt.Sprint(cfg.Port), "user": cfg.User, "password": cfg.Password, "dbname": name,
	}
	if cfg.TLSConfig == nil {
		values["sslmode"] = "disable"
	}
	var words []string
	for key, value := range values {
		if value != "" {
			words = append(words, key+"='"+strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value)+"'")
		}
	}
	return strings.Join(words, " ")
}
