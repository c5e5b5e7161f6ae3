package pgtest

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A missingError says what to install.
type missingError struct{ what string }

func (e *missingError) Error() string {
	return fmt.Sprintf("no PostgreSQL: %s (install postgresql, or name a server in %s)", e.what, Variable)
}

func asMissing(err error, missing **missingError) bool { return errors.As(err, missing) }

// findBin returns the folder with initdb and pg_ctl.
func findBin() (string, error) {
	var folders []string
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		folders = append(folders, strings.TrimSpace(string(out)))
	}
	if path, err := exec.LookPath("pg_ctl"); err == nil {
		folders = append(folders, filepath.Dir(path))
	}
	debian, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // the pattern is a good one
	slices.SortFunc(debian, func(a, b string) int { return majorOf(b) - majorOf(a) })
	for _, folder := range append(folders, debian...) {
		if isFile(filepath.Join(folder, "initdb")) && isFile(filepath.Join(folder, "pg_ctl")) {
			return folder, nil
		}
	}
	return "", &missingError{"neither pg_config, PATH nor /usr/lib/postgresql leads to initdb and pg_ctl"}
}

// majorOf reads 15 out of /usr/lib/postgresql/15/bin.
func majorOf(bin string) int {
	major, _ := strconv.Atoi(filepath.Base(filepath.Dir(bin)))
	return major
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// script starts a cluster, says where, and stops it when its standard input
// closes: when the test process ends, however that comes about. It ignores the
// interrupt that a terminal sends to both.
const script = `
trap '' INT
bin=$1 base=$2 options=$3
"$bin/initdb" --pgdata="$base/data" --username=cratefence --auth=trust --encoding=UTF8 --locale=C --no-sync >"$base/log" 2>&1 &&
"$bin/pg_ctl" --pgdata="$base/data" --log="$base/log" --wait --timeout=60 --options="-c listen_addresses='' -c unix_socket_directories='$base' -c max_connections=200 $options" start >>"$base/log" 2>&1 ||
	{ echo failed; tail -n 20 "$base/log"; rm -rf "$base"; exit 1; }
echo ready
cat >/dev/null
"$bin/pg_ctl" --pgdata="$base/data" --mode=immediate stop >/dev/null 2>&1
rm -rf "$base"
`

// lifeline is the cluster's standard input. It is never closed by us, and kept
// here lest it be collected and closed as garbage.
//
//lint:ignore U1000 it is held, not read
var lifeline io.WriteCloser

// start starts a private cluster and returns its DSN.
func start(bin string) (string, error) {
	base, err := os.MkdirTemp("", "pgtest") // short: a socket's path has 107 bytes at most
	if err != nil {
		return "", err
	}
	command := []string{"sh", "-c", script, "sh", bin, base, options()}
	if os.Geteuid() == 0 { // the server refuses to run as root
		if command, err = asPostgres(base, command); err != nil {
			return "", errors.Join(err, os.RemoveAll(base))
		}
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir = base
	cmd.Stderr = nil // to nowhere: `go test` waits for whoever holds its own
	if lifeline, err = cmd.StdinPipe(); err != nil {
		return "", err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("start test cluster: %w", err)
	}
	lines := bufio.NewScanner(out)
	if lines.Scan() && lines.Text() == "ready" {
		return "host=" + base + " user=cratefence dbname=postgres sslmode=disable", nil
	}
	var log strings.Builder
	for lines.Scan() {
		log.WriteString("\n" + lines.Text())
	}
	return "", errors.Join(fmt.Errorf("start test cluster:%s", log.String()), cmd.Wait())
}

// options are the server's: without care for power loss, but in benchmarks,
// which must not measure what nobody runs.
func options() string {
	if bench := flag.Lookup("test.bench"); bench != nil && bench.Value.String() != "" {
		return ""
	}
	return "-c fsync=off -c synchronous_commit=off -c full_page_writes=off"
}

// asPostgres hands a folder over to the user postgres, and returns the command
// that runs as that user.
func asPostgres(folder string, command []string) ([]string, error) {
	postgres, err := user.Lookup("postgres")
	if err != nil {
		return nil, &missingError{"tests run as root, and there is no user postgres to run it as"}
	}
	uid, _ := strconv.Atoi(postgres.Uid) // numbers wherever runuser is
	gid, _ := strconv.Atoi(postgres.Gid)
	if err := os.Chown(folder, uid, gid); err != nil {
		return nil, err
	}
	runuser, err := exec.LookPath("runuser")
	if err != nil {
		return nil, &missingError{"tests run as root, and there is no runuser to become another user"}
	}
	return append([]string{runuser, "-u", "postgres", "--"}, command...), nil
}
