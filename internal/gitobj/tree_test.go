package gitobj

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tree writes a tree from lines "MODE NAME", each with the same id.
func tree(lines ...string) []byte {
	var out []byte
	for _, line := range lines {
		out = fmt.Appendf(out, "%s\x00%s", line, strings.Repeat("\xaa", 20))
	}
	return out
}

func TestParseTree(t *testing.T) {
	a := mustID(t, idA)
	tests := []struct {
		name string
		in   []byte
		want []Entry
	}{
		{name: "empty"},
		{
			name: "every mode",
			in:   tree("100644 a", "100755 b", "120000 c", "40000 d", "160000 e"),
			want: []Entry{{"a", ModeFile, a}, {"b", ModeExecutable, a}, {"c", ModeSymlink, a}, {"d", ModeTree, a}, {"e", ModeSubmodule, a}},
		},
		{
			name: "modes of old tools",
			in:   tree("100664 a", "040000 b"),
			want: []Entry{{"a", ModeFile, a}, {"b", ModeTree, a}},
		},
		{
			name: "a tree sorts as if it ended in a slash",
			in:   tree("100644 a-b", "40000 a", "100644 a0"),
			want: []Entry{{"a-b", ModeFile, a}, {"a", ModeTree, a}, {"a0", ModeFile, a}},
		},
		{
			name: "names that are odd, not wrong",
			in:   tree("100644 ...", "100644 .gitignore", "100644 \\", "100644 git~1", "100644 \xff"),
			want: []Entry{{"...", ModeFile, a}, {".gitignore", ModeFile, a}, {"\\", ModeFile, a}, {"git~1", ModeFile, a}, {"\xff", ModeFile, a}},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := ParseTree(ID{}, test.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got.Entries); diff != "" {
				t.Errorf("entries (-want +got):\n%s", diff)
			}
			for _, e := range test.want {
				if found, ok := got.Entry(e.Name); !ok || found != e {
					t.Errorf("Entry(%q) = %v, %v", e.Name, found, ok)
				}
			}
			for _, absent := range []string{"", "a/", "zzz", "A"} {
				if found, ok := got.Entry(absent); ok {
					t.Errorf("Entry(%q) = %v", absent, found)
				}
			}
		})
	}
}

func TestParseTreeRefuses(t *testing.T) {
	tests := map[string][]byte{
		"no name":              tree("100644 "),
		"dot":                  tree("40000 ."),
		"dot dot":              tree("40000 .."),
		"git folder":           tree("40000 .git"),
		"git folder, any case": tree("40000 .GiT"),
		"slash":                tree("100644 a/b"),
		"out of order":         tree("100644 b", "100644 a"),
		"tree out of order":    tree("40000 a", "100644 a-b"),
		"name twice":           tree("100644 a", "100755 a"),
		"file and tree":        tree("100644 a", "40000 a"),
		"file and tree apart":  tree("100644 a", "100644 a-b", "100644 a.c", "40000 a"),
		"unknown mode":         tree("100600 a"),
		"mode of many zeros":   tree("00100644 a"),
		"no mode":              tree(" a"),
		"no id":                []byte("100644 a\x00" + strings.Repeat("\x00", 20)),
		"id cut short":         tree("100644 a")[:20],
		"name cut short":       []byte("100644 a"),
		"mode cut short":       []byte("100644"),
	}
	for name, in := range tests {
		if got, err := ParseTree(ID{}, in); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v, %v, want %v", name, got, err, ErrFormat)
		}
	}
}

// git itself must agree with every tree that we read.
func TestParseTreeOfGit(t *testing.T) {
	dir := t.TempDir()
	git(t, dir, "", "init", "-q")
	blob := strings.TrimSpace(git(t, dir, "x", "hash-object", "-w", "--stdin"))
	var listing strings.Builder
	for _, name := range []string{"a", "a-b", "a.c", "a0", "b/c/d", "b-", "b0", "é"} {
		fmt.Fprintf(&listing, "100644 %s\t%s\n", blob, name)
	}
	git(t, dir, listing.String(), "update-index", "--index-info")
	id := git(t, dir, "", "write-tree")
	got, err := ParseTree(mustID(t, id), []byte(git(t, dir, "", "cat-file", "tree", strings.TrimSpace(id))))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range got.Entries {
		names = append(names, e.Name)
	}
	if diff := cmp.Diff([]string{"a", "a-b", "a.c", "a0", "b-", "b", "b0", "é"}, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

// Every entry of a tree that is read is found by its name, and no name twice.
func FuzzTree(f *testing.F) {
	f.Add(tree("100644 a", "40000 b"))
	f.Add(tree("100644 a-b", "40000 a", "100644 a0"))
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := ParseTree(ID{}, in)
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		seen := map[string]bool{}
		for _, e := range got.Entries {
			if seen[e.Name] {
				t.Errorf("%q stands twice", e.Name)
			}
			seen[e.Name] = true
			if found, ok := got.Entry(e.Name); !ok || found != e {
				t.Errorf("Entry(%q) = %v, %v, want %v", e.Name, found, ok, e)
			}
		}
	})
}
