package cratefence_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// dialing is what makes a connection to the outside, or a client that would.
var dialing = map[string][]string{
	"net/http":   {"Get", "Head", "Post", "PostForm", "Client", "Transport", "DefaultClient", "DefaultTransport"},
	"net":        {"Dial", "DialTCP", "DialUDP", "DialIP", "DialUnix", "DialTimeout", "Dialer"},
	"crypto/tls": {"Dial", "DialWithDialer", "Dialer"},
}

// mayDial are the rooms that may: the only dialer, and test support.
var mayDial = []string{"internal/egress/", "internal/cratetest/", "internal/pgtest/"}

// TestOnlyEgressDials expects that no program code reaches out but through
// internal/egress. (Database drivers dial for themselves; their address is the
// operator's.)
func TestOnlyEgressDials(t *testing.T) {
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		path = filepath.ToSlash(path)
		if slices.ContainsFunc(mayDial, func(room string) bool { return strings.HasPrefix(path, room) }) {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, used := range dials(file) {
			t.Errorf("%s uses %s: take a client from internal/egress", path, used)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// dials lists what a file uses of dialing. A type that is only named (a client
// taken as a parameter) is not a use; made or called it is.
func dials(file *ast.File) []string {
	names := map[string]string{} // of imports, by what the file calls them
	for _, spec := range file.Imports {
		path := strings.Trim(spec.Path.Value, `"`)
		if _, watched := dialing[path]; !watched {
			continue
		}
		name := path[strings.LastIndexByte(path, '/')+1:]
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = path
	}
	var found []string
	report := func(n ast.Expr) {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return
		}
		x, ok := sel.X.(*ast.Ident)
		if ok && slices.Contains(dialing[names[x.Name]], sel.Sel.Name) {
			found = append(found, fmt.Sprintf("%s.%s", x.Name, sel.Sel.Name))
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CompositeLit:
			report(n.Type)
		case *ast.CallExpr:
			report(n.Fun)
			for _, arg := range n.Args {
				report(arg)
			}
		case *ast.SelectorExpr: // http.DefaultClient.Do
			report(n.X)
		case *ast.AssignStmt:
			for _, value := range n.Rhs {
				report(value)
			}
		}
		return true
	})
	return found
}

func TestDialsCatches(t *testing.T) {
	tests := []struct {
		body string
		want []string
	}{
		{body: `http.Get("x")`, want: []string{"http.Get"}},
		{body: `_ = &http.Client{}`, want: []string{"http.Client"}},
		{body: `http.DefaultClient.Do(nil)`, want: []string{"http.DefaultClient"}},
		{body: `c := http.DefaultClient; _ = c`, want: []string{"http.DefaultClient"}},
		{body: `wire.Dial("tcp", "x")`, want: []string{"wire.Dial"}},
		{body: `_ = func(c *http.Client) {}`}, // given by the caller
		{body: `wire.Listen("tcp", "x")`},
	}
	for _, tt := range tests {
		source := "package p\nimport (\n\"net/http\"\nwire \"net\"\n)\nfunc f() {\n" + tt.body + "\n}\n"
		file, err := parser.ParseFile(token.NewFileSet(), "p.go", source, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, dials(file)); diff != "" {
			t.Errorf("dials(%s) (-want +got):\n%s", tt.body, diff)
		}
	}
}
