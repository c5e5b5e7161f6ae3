package provenance

import (
	"bytes"
	"context"
	"path"
	"slices"
	"strings"

	"github.com/cratefence/cratefence/internal/gitobj"
)

const (
	attributesFile     = ".gitattributes"
	maxAttributesFiles = 50
	maxAttributesSize  = 256 << 10
)

// attributes are what the repository's .gitattributes files say, those of the
// root first: https://git-scm.com/docs/gitattributes. What stands later wins.
type attributes []attributesLine

type attributesLine struct {
	folder  string
	pattern pattern
	set     []string // "filter=lfs"
}

// attributes reads the files that speak of paths.
func (t *tree) attributes(ctx context.Context, paths []string) (attributes, error) {
	ids := map[string]gitobj.ID{} // by folder
	for _, p := range paths {
		for folder := p; folder != ""; {
			folder = parent(folder)
			if _, seen := ids[folder]; seen {
				break
			}
			e, ok := t.literal(path.Join(folder, attributesFile))
			if !ok || !e.Mode.IsFile() {
				e.ID = gitobj.ID{}
			}
			ids[folder] = e.ID
		}
	}
	var folders []string
	var wanted []gitobj.ID
	for folder, id := range ids {
		if !id.IsZero() {
			folders = append(folders, folder)
		}
	}
	slices.Sort(folders) // a folder before what is in it
	folders = folders[:min(len(folders), maxAttributesFiles)]
	for _, folder := range folders {
		wanted = append(wanted, ids[folder])
	}
	blobs, err := t.blobs(ctx, wanted)
	if err != nil {
		return nil, err
	}
	var all attributes
	for _, folder := range folders {
		all = append(all, parseAttributes(folder, blobs[ids[folder]])...)
	}
	return all, nil
}

func parseAttributes(folder string, data []byte) (all attributes) {
	if len(data) > maxAttributesSize {
		return nil
	}
	for line := range bytes.Lines(data) {
		fields := strings.Fields(string(line))
		if len(fields) < 2 || len(all) == maxPatterns {
			continue
		}
		if p, ok := parsePattern(strings.Trim(fields[0], `"`)); ok && !p.negated {
			all = append(all, attributesLine{folder, p, fields[1:]})
		}
	}
	return all
}

// What an attribute is for a file, where it has no value of its own.
const (
	attributeSet   = "set"
	attributeUnset = "unset"
)

// value returns what an attribute is for a file: its value, attributeSet,
// attributeUnset, or "" where nothing is said of it. Of macros it knows git's own.
func (a attributes) value(m *matcher, file, name string) (value string) {
	for _, line := range a {
		inFolder, ok := file, true
		if line.folder != "" {
			inFolder, ok = strings.CutPrefix(file, line.folder+"/")
		}
		if !ok || !m.matches(line.pattern, inFolder, false) {
			continue
		}
		for _, set := range line.set {
			if set == "binary" {
				set = "-text" // and what decides only how it is shown and merged
			}
			key, is, valued := strings.Cut(set, "=")
			switch {
			case valued && key == name:
				value = is
			case set == name:
				value = attributeSet
			case set == "-"+name:
				value = attributeUnset
			case set == "!"+name:
				value = ""
			}
		}
	}
	return value
}
