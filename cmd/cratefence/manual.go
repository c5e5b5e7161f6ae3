package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"
)

// A manualEntry explains one configuration key.
type manualEntry struct {
	Key     string // dotted
	Default string // as TOML writes it
	Doc     string
}

// A manualSection is a TOML table; the first has no name.
type manualSection struct {
	Name     string
	Repeated bool // any number of tables, as in [[people]]
	Doc      string
	Entries  []manualEntry
}

// Head is how the table begins.
func (s manualSection) Head() string {
	if s.Repeated {
		return "[[" + s.Name + "]]"
	}
	return "[" + s.Name + "]"
}

// manual reads the comments of Config and its parts.
func manual() []manualSection {
	docs := structDocs()
	defaults := reflect.ValueOf(defaultConfig())
	top := manualSection{}
	var sections []manualSection
	for i := range defaults.NumField() {
		field, value := defaults.Type().Field(i), defaults.Field(i)
		key := field.Tag.Get("toml")
		switch {
		case value.Kind() == reflect.Struct:
			sections = append(sections, manualTable(key, value, docs))
			continue
		case value.Kind() == reflect.Slice && field.Type.Elem().Kind() == reflect.Struct:
			section := manualTable(key, reflect.Zero(field.Type.Elem()), docs)
			section.Repeated = true
			sections = append(sections, section)
			continue
		}
		top.Entries = append(top.Entries, manualEntry{Key: key, Default: tomlValue(value), Doc: docs["Config"][field.Name]})
	}
	return append([]manualSection{top}, sections...)
}

func manualTable(key string, value reflect.Value, docs map[string]map[string]string) manualSection {
	of := value.Type()
	section := manualSection{Name: key, Doc: docs[of.Name()][""]}
	for i := range value.NumField() {
		field := of.Field(i)
		section.Entries = append(section.Entries, manualEntry{
			Key:     key + "." + field.Tag.Get("toml"),
			Default: tomlValue(value.Field(i)),
			Doc:     docs[of.Name()][field.Name],
		})
	}
	return section
}

// structDocs returns the comments in config.go by type and field; those of a
// type itself stand under the field "".
func structDocs() map[string]map[string]string {
	file, err := parser.ParseFile(token.NewFileSet(), "config.go", configSource, parser.ParseComments)
	if err != nil {
		panic(err) // the file compiled
	}
	docs := map[string]map[string]string{}
	for _, decl := range file.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok || gen.Tok != token.TYPE {
			continue
		}
		spec := gen.Specs[0].(*ast.TypeSpec)
		body, ok := spec.Type.(*ast.StructType)
		if !ok {
			continue
		}
		fields := map[string]string{"": oneLine(strings.TrimPrefix(gen.Doc.Text(), spec.Name.Name+" is "))}
		for _, f := range body.Fields.List {
			fields[f.Names[0].Name] = oneLine(f.Doc.Text())
		}
		docs[spec.Name.Name] = fields
	}
	return docs
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func tomlValue(v reflect.Value) string {
	switch value := v.Interface().(type) {
	case string:
		return fmt.Sprintf("%q", value)
	case Duration:
		text, _ := value.MarshalText() // never fails
		return fmt.Sprintf("%q", text)
	case []string:
		quoted := make([]string, len(value))
		for i, s := range value {
			quoted[i] = fmt.Sprintf("%q", s)
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	case map[string][]string:
		return "{}"
	default:
		return fmt.Sprint(value)
	}
}

// defaultOf is a key's default, as TOML writes it.
func defaultOf(key string) string {
	for _, s := range manual() {
		for _, e := range s.Entries {
			if e.Key == key {
				return e.Default
			}
		}
	}
	return "its default"
}

// configKeys lists every key, dotted.
func configKeys() []string {
	var keys []string
	for _, s := range manual() {
		if s.Name != "" {
			keys = append(keys, s.Name)
		}
		for _, e := range s.Entries {
			keys = append(keys, e.Key)
		}
	}
	return keys
}

// manualText is the manual for a terminal.
func manualText() string {
	var b strings.Builder
	for _, s := range manual() {
		if s.Name != "" {
			fmt.Fprintf(&b, "\n%s  %s\n", s.Head(), s.Doc)
		}
		for _, e := range s.Entries {
			name := e.Key[strings.LastIndexByte(e.Key, '.')+1:]
			fmt.Fprintf(&b, "\n  %s = %s\n%s\n", name, e.Default, wrap(e.Doc, 78, "      "))
		}
	}
	return b.String()
}

// manualMarkdown is docs/configuration.md.
func manualMarkdown() string {
	var b strings.Builder
	b.WriteString("# Configuration\n\n" +
		"<!-- Made from the comments in cmd/cratefence/config.go; `go test ./cmd/cratefence -update` writes it anew. -->\n\n" +
		"One TOML file, named by `--config` or `CRATEFENCE_CONFIG`. Every key has a default, so that none is needed\n" +
		"to begin with. An unknown key is an error. A secret is never a value here: it is the path of a file.\n")
	for _, s := range manual() {
		if s.Name != "" {
			fmt.Fprintf(&b, "\n## `%s`\n\n%s\n", s.Head(), upperFirst(s.Doc))
		}
		b.WriteString("\n| key | default | meaning |\n|---|---|---|\n")
		for _, e := range s.Entries {
			fmt.Fprintf(&b, "| `%s` | `%s` | %s |\n", e.Key, e.Default, e.Doc)
		}
	}
	return b.String()
}

func upperFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
