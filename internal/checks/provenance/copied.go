package provenance

import (
	"path"
	"slices"
	"strings"
)

// copiedFrom lists where cargo may have taken a readme or licence from that
// stands in the crate's root: the paths that the repository's manifest names, or
// the workspace's where it inherits them. Code is never taken for one: cargo
// would, and then build it.
func (c *comparison) copiedFrom(file string) (from []string) {
	if strings.Contains(file, "/") || slices.Contains(codeEnds, path.Ext(file)) {
		return nil
	}
	for _, named := range c.documents() {
		if path.Base(named) == file {
			from = append(from, named)
		}
	}
	return from
}

// documents are the paths in the repository that its manifest names as readme
// and licence. They may lead out of it, where nothing is found.
func (c *comparison) documents() (all []string) {
	m := c.git
	if m == nil {
		return nil
	}
	name := func(folder string, files ...string) {
		for _, f := range files {
			if f = strings.ReplaceAll(f, `\`, "/"); f != "" && !path.IsAbs(f) {
				all = append(all, path.Join(folder, f))
			}
		}
	}
	name(c.out.Path, m.Package.LicenseFile)
	name(c.out.Path, m.Package.Readme.Paths...)
	if c.root != nil {
		inherited := c.root.workspacePackage()
		for _, key := range []string{"license-file", "readme"} {
			if m.Package.Inherited[key] {
				file, _ := inherited[key].(string)
				if inherited[key] == true {
					file = "README.md"
				}
				name(c.root.folder, file)
			}
		}
	}
	return all
}
