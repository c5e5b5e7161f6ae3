// Package lockfile reads Cargo.lock, of all four versions of its format.
//
// cargo alone writes that file, and in one way: a table header or one key a line,
// strings without escapes. This package reads what cargo writes and refuses the
// rest of TOML, with which a file could show different things to different
// readers. The formats are described in cargo's resolver/encode.rs.
//
// It is pure, and its time and memory are linear in its bounded input.
package lockfile

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ErrFormat is wrapped by every error of Parse.
var ErrFormat = errors.New("not a Cargo.lock as cargo writes it")

// MaxFile bounds a file in bytes. The largest of public repositories have about
// 1 MB.
const MaxFile = 8 << 20

// newest is the latest version of the format.
const newest = 4

// A Lock is what a Cargo.lock says.
type Lock struct {
	Version  int // of the format: 1 and 2 are not written and read as 0
	Packages []Package
}

// A Package is one locked package.
type Package struct {
	Name, Version string
	Source        string   // "registry+https://…", "git+https://…#commit"; "" for a folder
	Checksum      string   // SHA-256 in hex; "" where there is none
	Dependencies  []string // "name", "name version" or "name version (source)"
}

// Parse reads a Cargo.lock.
func Parse(data []byte) (*Lock, error) {
	p := parser{lock: &Lock{}, seen: map[string]bool{}, single: map[string]bool{}, checksums: map[string]string{}}
	if err := p.parse(data); err != nil {
		return nil, fmt.Errorf("parse Cargo.lock: line %d: %w: %w", p.line, ErrFormat, err)
	}
	return p.lock, nil
}

type parser struct {
	lock      *Lock
	line      int
	section   string
	current   Package
	seen      map[string]bool // keys of the current table
	single    map[string]bool // tables that stand once
	inList    bool
	checksums map[string]string // of the first format: by "name version (source)"
}

func (p *parser) parse(data []byte) error {
	if len(data) > MaxFile {
		return fmt.Errorf("%d bytes, over the limit of %d", len(data), MaxFile)
	}
	if !utf8.Valid(data) {
		return errors.New("not UTF-8")
	}
	for line := range bytes.Lines(data) {
		p.line++
		text := strings.TrimRight(string(line), "\r\n")
		if err := p.read(text); err != nil {
			return err
		}
	}
	if p.inList {
		return errors.New("a list without its end")
	}
	if err := p.endTable(); err != nil {
		return err
	}
	return p.finish()
}

func (p *parser) read(text string) error {
	switch {
	case p.inList:
		return p.element(text)
	case text == "", strings.HasPrefix(text, "#"):
		return nil
	case strings.HasPrefix(text, "["):
		return p.header(text)
	}
	name, value, ok := strings.Cut(text, " = ")
	if !ok {
		return fmt.Errorf("neither a table nor a key: %.60q", text)
	}
	if p.seen[name] {
		return fmt.Errorf("the key %.60q a second time", name)
	}
	p.seen[name] = true
	return p.key(name, value)
}

func (p *parser) header(text string) error {
	if err := p.endTable(); err != nil {
		return err
	}
	switch text {
	case "[root]", "[metadata]":
		if p.single[text] {
			return fmt.Errorf("%s a second time", text)
		}
		p.single[text] = true
	case "[[package]]", "[[patch.unused]]":
	default:
		return fmt.Errorf("an unknown table %.60q", text)
	}
	p.section, p.seen = text, map[string]bool{}
	return nil
}

// endTable keeps the package that was read.
func (p *parser) endTable() error {
	pkg := p.current
	p.current = Package{}
	if p.section == "" || p.section == "[metadata]" {
		return nil
	}
	if pkg.Name == "" || pkg.Version == "" {
		return errors.New("a package without name or version")
	}
	if p.section != "[[patch.unused]]" { // those take no part
		p.lock.Packages = append(p.lock.Packages, pkg)
	}
	return nil
}

func (p *parser) key(name, value string) error {
	if p.section == "" {
		version, err := strconv.Atoi(value)
		if name != "version" || err != nil || version < 1 {
			return fmt.Errorf("want the format's version, not %.60q", name+" = "+value)
		}
		if version > newest {
			return fmt.Errorf("format %d is newer than the newest that is known, %d", version, newest)
		}
		p.lock.Version = version
		return nil
	}
	if name == "dependencies" && value == "[" && p.section != "[metadata]" {
		p.inList = true
		return nil
	}
	s, err := unquote(value)
	if err != nil {
		return err
	}
	if p.section == "[metadata]" {
		return p.metadata(name, s)
	}
	switch name {
	case "name":
		p.current.Name = s
	case "version":
		p.current.Version = s
	case "source":
		p.current.Source = s
	case "checksum":
		p.current.Checksum = s
		return checkChecksum(s)
	case "replace":
	default:
		return fmt.Errorf("an unknown key %.60q", name)
	}
	return nil
}

func (p *parser) element(text string) error {
	text = strings.TrimSpace(text)
	if text == "]" {
		p.inList = false
		return nil
	}
	s, err := unquote(strings.TrimSuffix(text, ","))
	p.current.Dependencies = append(p.current.Dependencies, s)
	return err
}

// metadata reads what the first format has in the place of checksums.
func (p *parser) metadata(name, value string) error {
	name, err := unquote(name)
	if err != nil {
		return err
	}
	if id, ok := strings.CutPrefix(name, "checksum "); ok && value != "<none>" {
		p.checksums[id] = value
		return checkChecksum(value)
	}
	return nil
}

// finish gives the packages of the first format their checksums, and refuses a
// package that is locked twice.
func (p *parser) finish() error {
	locked := make(map[string]bool, len(p.lock.Packages))
	for i := range p.lock.Packages {
		pkg := &p.lock.Packages[i]
		id := fmt.Sprintf("%s %s (%s)", pkg.Name, pkg.Version, pkg.Source)
		if locked[id] {
			return fmt.Errorf("%.200q is locked twice", id)
		}
		locked[id] = true
		if checksum, ok := p.checksums[id]; ok {
			if pkg.Checksum != "" && pkg.Checksum != checksum {
				return fmt.Errorf("%.200q has two checksums", id)
			}
			pkg.Checksum = checksum
		}
	}
	return nil
}

func checkChecksum(s string) error {
	if len(s) != 64 || strings.Trim(s, "0123456789abcdef") != "" {
		return fmt.Errorf("%.80q is no SHA-256", s)
	}
	return nil
}

// unquote reads a string that needs no escapes.
func unquote(s string) (string, error) {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' || strings.ContainsAny(s[1:len(s)-1], "\"\\") {
		return "", fmt.Errorf("want a plain string, not %.60q", s)
	}
	return s[1 : len(s)-1], nil
}
