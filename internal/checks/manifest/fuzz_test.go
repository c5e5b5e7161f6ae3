package manifest

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pelletier/go-toml/v2"
	"golang.org/x/tools/txtar"

	"github.com/cratefence/cratefence/internal/crate"
)

// The canonical form of a canonical form is itself: the order and notation that
// it was written in, and what was inherited, have no part in it.
func FuzzCanonicalise(f *testing.F) {
	f.Add([]byte(gitText), []byte{}, strings.Join(aFiles, "\n"))
	f.Add([]byte(publishedText), []byte("[workspace]\nresolver = \"3\""), "")
	archive, err := txtar.ParseFile("testdata/workspace.txtar")
	if err != nil {
		f.Fatal(err)
	}
	var names []string
	for _, file := range archive.Files {
		names = append(names, strings.TrimPrefix(file.Name, "crates/demo/"))
	}
	for _, file := range archive.Files {
		if strings.HasSuffix(file.Name, crate.ManifestFile) {
			f.Add(file.Data, archive.Files[0].Data, strings.Join(names, "\n"))
		}
	}
	f.Fuzz(func(t *testing.T, text, root []byte, files string) {
		m, err := crate.ParseManifest(text)
		if err != nil {
			return
		}
		in := Input{Manifest: m, Dir: "crates/a", Files: strings.Split(files, "\n")}
		if r, err := crate.ParseManifest(root); err == nil && len(root) > 0 {
			in.Root = r
		}
		once, _, err := Canonicalise(in)
		if err != nil {
			return
		}
		written, err := toml.Marshal(asManifest(once))
		if err != nil {
			t.Fatal(err)
		}
		again, err := crate.ParseManifest(written)
		if err != nil {
			return // values that cargo would not take, passed on
		}
		twice, _, err := Canonicalise(Input{Manifest: again, Files: in.Files})
		if err != nil {
			return // a canonical form that says `workspace = true` where cargo passes anything on
		}
		if diff := cmp.Diff(render(once.tree), render(twice.tree)); diff != "" {
			t.Errorf("%s\n(-once +twice):\n%s", written, diff)
		}
		for _, d := range Compare(once, twice) {
			t.Error(describe(d))
		}
		Flags(text, m, in.Files)
	})
}

// asManifest lays a canonical form out as a manifest has it: targets in arrays,
// and nothing guessed.
func asManifest(c *Canon) map[string]any {
	m := maps.Clone(c.tree)
	own := maps.Clone(tableOf(m, "package"))
	own["autolib"] = false
	for _, kind := range targetKinds {
		own[kind.auto] = false
		var array []any
		targets := tableOf(m, kind.name)
		for _, name := range slices.Sorted(maps.Keys(targets)) {
			array = append(array, targets[name])
		}
		if delete(m, kind.name); array != nil {
			m[kind.name] = array
		}
	}
	m["package"] = own
	return m
}
