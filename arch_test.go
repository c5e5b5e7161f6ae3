package cratefence_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const module = "github.com/cratefence/cratefence"

// A room is a folder of internal: what it may import of the others, and why no
// more. Every package below the folder belongs to the room, unless it has an
// entry of its own.
type room struct {
	may []string // rooms; a room may always import its own subpackages
	// pure rooms hold meaning: they import none of the packages in impure.
	pure bool
	// support is imported by tests and cmd alone.
	support bool
	why     string
}

var (
	formats  = []string{"crate", "gitobj", "index", "lockfile", "nearest", "rustsrc"}
	domain   = []string{"check", "checks", "policy", "review", "depgraph"}
	verbs    = []string{"intake", "mirror", "runner", "runs", "gate", "ruling"}
	adapters = []string{"upstream", "gitsource", "advisory", "sandbox", "remote", "notify", "blob", "ledger"}
	waysIn   = []string{"worker", "registry", "api", "web"}
	stores   = []string{"store/sqlite", "store/postgres"}
)

// impure is what reaches the network, a database or a log.
var impure = []string{"net", "net/http", "net/rpc", "net/smtp", "database/sql", "log", "log/slog", "os/exec"}

// house is the import table. A new room is added here; a direction is not
// changed without a note in docs/adr.
func house() map[string]room {
	table := map[string]room{
		"crate":    {pure: true, why: "a format knows only formats below it"},
		"gitobj":   {pure: true, why: "a format knows only formats below it"},
		"rustsrc":  {pure: true, why: "a format knows only formats below it"},
		"index":    {may: []string{"crate"}, pure: true, why: "a format knows only formats below it"},
		"lockfile": {may: []string{"crate"}, pure: true, why: "a format knows only formats below it"},

		"nearest": {pure: true, why: "guesses names, whatever they name"},

		"check":  {may: formats, pure: true, why: "the contract of checks speaks of formats alone"},
		"checks": {may: join(formats, []string{"check"}), pure: true, why: "a check reaches the world through its Subject alone"},

		"store":  {may: join(formats, domain), why: "what is kept is described without saying where"},
		"auth":   {may: []string{"store"}, why: "who may do what needs the store alone"},
		"egress": {why: "the only dialer to the outside knows nothing of what it fetches"},

		"cratetest": {support: true, may: anything, why: "test support"},
		"htmlcheck": {support: true, why: "assertions on HTML know nothing of our pages"},
		"pgtest":    {support: true, why: "a database for tests knows nothing of what is kept in it"},

		"store/storetest": {support: true, may: join(formats, domain, verbs, []string{"store", "auth", "cratetest"}), why: "the suite knows no store in particular"},
	}
	for _, name := range []string{"policy", "review", "depgraph"} {
		table[name] = room{may: join(formats, []string{"check"}), pure: true, why: "deciding is pure: evidence in, decision out"}
	}
	for _, name := range stores {
		table[name] = room{may: join(formats, domain, []string{"store"}), why: "a store keeps; it fetches and decides nothing"}
	}
	for _, name := range verbs {
		table[name] = room{may: join(formats, domain, []string{"store"}), why: "a verb names what it needs from outside as an interface of its own"}
	}
	for _, name := range adapters {
		table[name] = room{may: join(formats, domain, []string{"store", "egress"}), why: "adapters never import each other"}
	}
	for _, name := range waysIn {
		table[name] = room{
			may: join(formats, domain, verbs, []string{"store", "auth", "egress"}),
			why: "a way in names what it needs from an adapter as an interface of its own; only cmd wires them",
		}
	}
	return table
}

// anything stands for every room.
var anything = []string{"*"}

func join(lists ...[]string) []string { return slices.Concat(lists...) }

// A source is a Go file and what it imports.
type source struct {
	path    string // from the module's root, separated by "/"
	imports []string
}

func TestImportTable(t *testing.T) {
	sources, err := moduleSources(".")
	if err != nil {
		t.Fatal(err)
	}
	if len(sources) < 5 {
		t.Fatalf("found %d Go files: the test looks in the wrong place", len(sources))
	}
	for _, s := range sources {
		for _, problem := range violations(house(), s) {
			t.Error(problem)
		}
	}
}

// moduleSources reads the imports of every Go file that the go command would
// see, whatever its build constraints.
func moduleSources(root string) ([]source, error) {
	var sources []source
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != root && ignoredFolder(d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasPrefix(d.Name(), ".") || strings.HasPrefix(d.Name(), "_") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return fmt.Errorf("parse imports: %w", err)
		}
		s := source{path: filepath.ToSlash(name)}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return fmt.Errorf("parse imports of %q: %w", name, err)
			}
			s.imports = append(s.imports, imported)
		}
		sources = append(sources, s)
		return nil
	})
	return sources, err
}

func ignoredFolder(name string) bool {
	return name == "testdata" || name == "vendor" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")
}

// violations says, one line each, what the table forbids of a file.
func violations(table map[string]room, s source) []string {
	top, rest, _ := strings.Cut(s.path, "/")
	switch {
	case strings.HasSuffix(s.path, "_test.go"), top == "cmd":
		return nil // tests and cmd import what they like
	case rest == "":
		return []string{fmt.Sprintf("%s: the module's root holds tests alone", s.path)}
	case top == "checker":
		return checkerViolations(s)
	case top != "internal":
		return []string{fmt.Sprintf("%s: folder %q is not in the house plan: code lives in cmd, internal or checker", s.path, top)}
	}
	from := path.Dir(rest)
	home, ok := roomOf(table, from)
	if !ok {
		return []string{fmt.Sprintf("%s: room %q is not in the import table: add it to house in arch_test.go", s.path, from)}
	}
	var problems []string
	for _, imported := range s.imports {
		if why := forbidden(table, home, imported); why != "" {
			problems = append(problems, fmt.Sprintf("%s: %s", s.path, why))
		}
	}
	return problems
}

func checkerViolations(s source) []string {
	var problems []string
	for _, imported := range s.imports {
		if strings.HasPrefix(imported, module+"/") {
			problems = append(problems, fmt.Sprintf("%s: checker imports %s: it is public and imports nothing of ours", s.path, imported))
		}
	}
	return problems
}

// roomOf finds the room that a folder of internal belongs to: the longest entry
// of the table that holds it.
func roomOf(table map[string]room, folder string) (string, bool) {
	for ; folder != "."; folder = path.Dir(folder) {
		if _, ok := table[folder]; ok {
			return folder, true
		}
	}
	return "", false
}

// forbidden says why files of room home may not import a package, or "".
func forbidden(table map[string]room, home, imported string) string {
	rules := table[home]
	if rules.pure && slices.Contains(impure, imported) {
		return fmt.Sprintf("%s imports %s: it is pure, without network, database, log or processes", home, imported)
	}
	inside, ours := strings.CutPrefix(imported, module+"/")
	if !ours {
		return ""
	}
	folder, internal := strings.CutPrefix(inside, "internal/")
	if !internal {
		return fmt.Sprintf("%s imports %s: nothing of internal imports cmd or checker", home, inside)
	}
	target, known := roomOf(table, folder)
	switch {
	case !known:
		return fmt.Sprintf("%s imports %s: a room not in the import table: add it to house in arch_test.go", home, folder)
	case target == home:
		return ""
	case table[target].support && !rules.support:
		return fmt.Sprintf("%s imports %s: test support is imported by tests and cmd alone", home, target)
	case !slices.Contains(rules.may, target) && !slices.Equal(rules.may, anything):
		return fmt.Sprintf("%s imports %s: %s", home, target, rules.why)
	}
	return ""
}

// The table has to catch what it forbids, and to leave alone what it allows.
func TestImportTableCatches(t *testing.T) {
	internal := module + "/internal/"
	tests := []struct {
		path    string
		imports []string
		want    []string
	}{
		{path: "internal/check/a.go", imports: []string{internal + "crate", "net/url"}},
		{path: "internal/checks/provenance/a.go", imports: []string{internal + "checks/manifest", internal + "check"}},
		{path: "internal/policy/a_test.go", imports: []string{internal + "cratetest", "net/http"}},
		{path: "cmd/cratefence/serve.go", imports: []string{internal + "upstream", internal + "web"}},
		{
			path: "internal/crate/a.go", imports: []string{"net/http"},
			want: []string{"internal/crate/a.go: crate imports net/http: it is pure, without network, database, log or processes"},
		},
		{
			path: "internal/policy/a.go", imports: []string{internal + "store"},
			want: []string{"internal/policy/a.go: policy imports store: deciding is pure: evidence in, decision out"},
		},
		{ // a store's types are allowed, a store itself is not
			path: "internal/intake/a.go", imports: []string{internal + "store", internal + "store/sqlite"},
			want: []string{"internal/intake/a.go: intake imports store/sqlite: a verb names what it needs from outside as an interface of its own"},
		},
		{
			path: "internal/upstream/a.go", imports: []string{internal + "gitsource"},
			want: []string{"internal/upstream/a.go: upstream imports gitsource: adapters never import each other"},
		},
		{
			path: "internal/web/a.go", imports: []string{internal + "blob"},
			want: []string{"internal/web/a.go: web imports blob: a way in names what it needs from an adapter as an interface of its own; only cmd wires them"},
		},
		{
			path: "internal/api/a.go", imports: []string{internal + "cratetest"},
			want: []string{"internal/api/a.go: api imports cratetest: test support is imported by tests and cmd alone"},
		},
		{
			path: "internal/attic/a.go",
			want: []string{`internal/attic/a.go: room "attic" is not in the import table: add it to house in arch_test.go`},
		},
		{
			path: "internal/gate/a.go", imports: []string{internal + "attic"},
			want: []string{"internal/gate/a.go: gate imports attic: a room not in the import table: add it to house in arch_test.go"},
		},
		{
			path: "internal/check/a.go", imports: []string{module + "/checker"},
			want: []string{"internal/check/a.go: check imports checker: nothing of internal imports cmd or checker"},
		},
		{
			path: "checker/a.go", imports: []string{internal + "check"},
			want: []string{"checker/a.go: checker imports " + internal + "check: it is public and imports nothing of ours"},
		},
		{path: "pkg/a.go", want: []string{`pkg/a.go: folder "pkg" is not in the house plan: code lives in cmd, internal or checker`}},
		{path: "main.go", want: []string{"main.go: the module's root holds tests alone"}},
	}
	for _, tt := range tests {
		got := violations(house(), source{path: tt.path, imports: tt.imports})
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("violations(%s) (-want +got):\n%s", tt.path, diff)
		}
	}
}
