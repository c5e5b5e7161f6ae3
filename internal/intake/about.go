package intake

import (
	"strings"
	"unicode/utf8"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/store"
)

// Limits on what is kept of a manifest for lists and headers. The archive itself
// is kept whole; these only bound what pages repeat.
const (
	maxText         = 1000
	maxWords        = 20
	maxDependencies = 2000
)

// describe reads what a release says of itself. Whether its archive and manifest
// are in order is a check's business: here a broken one is merely silent.
func describe(data []byte, r store.Release, lim crate.Limits) (store.About, store.PublishFacts) {
	archive, err := crate.Read(data, crate.Release{Name: r.Crate, Version: r.Version, Checksum: r.Checksum}, lim)
	if err != nil {
		return store.About{}, store.PublishFacts{}
	}
	vcs, err := archive.VCSInfo()
	facts := store.PublishFacts{VCS: err == nil && vcs != nil && vcs.SHA1 != ""}
	m, err := archive.Manifest()
	if err != nil {
		return store.About{}, facts
	}
	facts.BuildScript = hasBuildScript(archive, m.Package.Build)
	return about(m), facts
}

// hasBuildScript reports whether cargo runs a program to build the crate: one that
// the manifest names, or build.rs where it leaves that to cargo.
func hasBuildScript(archive *crate.Archive, build crate.FileSetting) bool {
	if build.Set && !build.Guess {
		return len(build.Paths) > 0
	}
	return archive.File("build.rs") != nil
}

func about(m *crate.Manifest) store.About {
	p := m.Package
	a := store.About{
		Description:   clip(string(p.Description)),
		License:       clip(string(p.License)),
		Repository:    clip(string(p.Repository)),
		Homepage:      clip(string(p.Homepage)),
		Documentation: clip(string(p.Documentation)),
		RustVersion:   clip(string(p.RustVersion)),
		Edition:       clip(string(p.Edition)),
		Keywords:      clipAll(p.Keywords),
		Categories:    clipAll(p.Categories),
	}
	for _, d := range m.Dependencies[:min(len(m.Dependencies), maxDependencies)] {
		a.Dependencies = append(a.Dependencies, store.Dependency{
			Name: clip(d.Package), Req: clip(d.Req), Kind: string(d.Kind), Target: clip(d.Target), Optional: d.Optional,
		})
	}
	return a
}

// clip cuts s to a sane length at a rune's start.
func clip(s string) string {
	s = strings.TrimSpace(s)
	if len(s) <= maxText {
		return s
	}
	cut := maxText
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

func clipAll(words []string) []string {
	var kept []string
	for _, w := range words[:min(len(words), maxWords)] {
		kept = append(kept, clip(w))
	}
	return kept
}
