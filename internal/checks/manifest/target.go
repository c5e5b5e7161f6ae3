package manifest

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// A targetKind is an array of targets, and where cargo looks for more of them.
type targetKind struct {
	name   string
	folder string
	auto   string // key of [package] that turns looking on or off
}

var targetKinds = []targetKind{
	{"bin", "src/bin", "autobins"},
	{"example", "examples", "autoexamples"},
	{"test", "tests", "autotests"},
	{"bench", "benches", "autobenches"},
}

var targetFields = []field{
	{name: "name", read: text},
	{name: "crate-type", old: "crate_type", read: set},
	{name: "path", read: targetPath},
	{name: "filename", read: text},
	{name: "test", read: yesNo},
	{name: "doctest", read: yesNo},
	{name: "bench", read: yesNo},
	{name: "doc", read: yesNo},
	{name: "doc-scrape-examples", read: yesNo},
	{name: "proc-macro", old: "proc_macro", read: yesNo},
	{name: "harness", read: yesNo},
	{name: "required-features", read: set},
	{name: "edition", read: text},
}

func targetPath(value any) (any, bool) {
	s, ok := value.(string)
	return path.Clean(slashes(s)), ok
}

// files are the files of a crate.
type files struct {
	all      map[string]bool
	byFolder map[string][]guess // by the folder in which cargo looks for targets
}

// A guess is a target that cargo finds by where its file lies.
type guess struct{ name, path string }

func newFiles(paths []string) files {
	f := files{all: make(map[string]bool, len(paths)), byFolder: map[string][]guess{}}
	for _, p := range slices.Sorted(slices.Values(paths)) {
		f.all[p] = true
		for _, kind := range targetKinds {
			if rest, ok := strings.CutPrefix(p, kind.folder+"/"); ok {
				if name, ok := guessName(rest); ok {
					f.byFolder[kind.folder] = append(f.byFolder[kind.folder], guess{name, p})
				}
			}
		}
	}
	return f
}

// guessName takes NAME.rs and NAME/main.rs for targets.
func guessName(file string) (string, bool) {
	if strings.HasPrefix(file, ".") {
		return "", false
	}
	if folder, ok := strings.CutSuffix(file, "/main.rs"); ok {
		return folder, !strings.Contains(folder, "/")
	}
	name, ok := strings.CutSuffix(file, ".rs")
	return name, ok && !strings.Contains(name, "/")
}

func (f files) has(file string) bool { return f.all[file] }

// A targetReader reads the targets of one manifest.
type targetReader struct {
	*canoniser
	packageName string
	hasLib      bool
}

func (c *canoniser) targets() {
	name, _ := c.own["name"].(string)
	r := targetReader{canoniser: c, packageName: name}
	r.lib()
	for _, kind := range targetKinds {
		r.kind(kind)
	}
}

// auto reads a switch of [package]; nil where it is not there.
func (r *targetReader) auto(name string) *bool {
	if b, ok := r.own[name].(bool); ok {
		return &b
	}
	return nil
}

func (r *targetReader) lib() {
	const usual = "src/lib.rs"
	at := []string{"lib"}
	table := r.section("lib")
	if table == nil {
		if auto := r.auto("autolib"); auto != nil && !*auto || !r.files.has(usual) {
			return
		}
		r.note(RuleInferred, at, "`lib` is not written: %q is there", usual)
	}
	lib := r.take(at, table, targetFields)
	if _, ok := lib["name"]; !ok {
		lib["name"] = strings.ReplaceAll(r.packageName, "-", "_")
	}
	if _, ok := lib["path"]; !ok {
		legacy := fmt.Sprintf("src/%s.rs", lib["name"])
		switch {
		case r.files.has(usual):
			lib["path"] = usual
		case r.edition == defaultEdition && r.files.has(legacy):
			lib["path"] = legacy
		}
	}
	r.hasLib = true
	if r.isPackaged(at, lib) {
		r.out["lib"] = lib
	}
}

func (r *targetReader) kind(kind targetKind) {
	guesses := r.files.byFolder[kind.folder]
	if kind.name == "bin" && r.files.has("src/main.rs") {
		guesses = slices.Insert(slices.Clone(guesses), 0, guess{r.packageName, "src/main.rs"})
	}
	targets, written := r.written(kind)
	if auto := r.auto(kind.auto); auto != nil && *auto || auto == nil && !(written && r.edition == defaultEdition) {
		r.addGuesses(kind, targets, guesses)
	}
	byName := map[string][]string{}
	for _, g := range guesses {
		byName[g.name] = append(byName[g.name], g.path)
	}
	for _, name := range slices.Sorted(maps.Keys(targets)) {
		target := targets[name].(map[string]any)
		if _, ok := target["path"]; !ok {
			if found := r.findTarget(kind, name, byName[name]); found != "" {
				target["path"] = found
			}
		}
		if !r.isPackaged([]string{kind.name, name}, target) {
			delete(targets, name)
		}
	}
	if len(targets) > 0 {
		r.out[kind.name] = targets
	}
}

// written reads the targets that the manifest names, and reports whether it has
// the array at all.
func (r *targetReader) written(kind targetKind) (targets map[string]any, written bool) {
	targets = map[string]any{}
	value, ok := r.raw[kind.name]
	if !ok {
		return targets, false
	}
	array, ok := value.([]any)
	if !ok {
		r.leaveUnknown([]string{kind.name}, value)
		return targets, false
	}
	for i, element := range array {
		table, _ := element.(map[string]any)
		name, _ := table["name"].(string)
		at := []string{kind.name, name}
		if _, taken := targets[name]; taken || name == "" {
			r.leaveUnknown(key(at, fmt.Sprint(i)), element)
			continue
		}
		r.places[Dotted(at)] = i
		targets[name] = r.take(at, table, targetFields)
	}
	return targets, true
}

// addGuesses adds the targets that cargo finds by their file.
func (r *targetReader) addGuesses(kind targetKind, targets map[string]any, guesses []guess) {
	paths := map[any]bool{}
	for _, target := range targets {
		paths[target.(map[string]any)["path"]] = true
	}
	for _, g := range guesses {
		if _, taken := targets[g.name]; taken || paths[g.path] {
			continue
		}
		targets[g.name] = map[string]any{"name": g.name, "path": g.path}
		r.note(RuleInferred, []string{kind.name, g.name}, "the %s target `%s` is not written: %q is there", kind.name, g.name, g.path)
	}
}

// findTarget finds the file of a target that is written without its path.
func (r *targetReader) findTarget(kind targetKind, name string, guesses []string) string {
	if len(guesses) == 1 {
		return guesses[0]
	}
	var legacy []string // of edition 2015
	switch {
	case r.edition != defaultEdition:
	case kind.name == "bench" && name == "bench":
		legacy = []string{"src/bench.rs"}
	case kind.name == "bin" && r.hasLib:
		legacy = []string{"src/main.rs", "src/bin/main.rs"}
	case kind.name == "bin":
		legacy = []string{"src/" + name + ".rs", "src/main.rs", "src/bin/main.rs"}
	}
	for _, file := range legacy {
		if r.files.has(file) {
			return file
		}
	}
	return ""
}

// isPackaged reports whether a target's file is in the crate, and leaves the
// target aside where it is not.
func (r *targetReader) isPackaged(at []string, target map[string]any) bool {
	file, _ := target["path"].(string)
	if r.files.has(file) {
		return true
	}
	what := "the library"
	if len(at) > 1 {
		what = fmt.Sprintf("the %s target `%s`", at[0], at[1])
	}
	if file == "" {
		r.leave(RuleNotPackaged, at, target, "%s is not published: its file is not in the crate", what)
	} else {
		r.leave(RuleNotPackaged, at, target, "%s is not published: %q is not in the crate", what, file)
	}
	return false
}
