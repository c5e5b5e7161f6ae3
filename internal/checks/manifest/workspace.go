package manifest

import (
	"path"
	"strings"

	"github.com/cratefence/cratefence/internal/crate"
)

// maxAncestry bounds the bytes of the manifests that WorkspaceRoot parses: folders
// may be nested hundreds deep.
const maxAncestry = 1 << 20

// WorkspaceRoot finds the workspace of the package in folder dir as cargo does:
// the package's own, or the one that `package.workspace` points to, or the nearest
// above that does not exclude it. own is the package's manifest where it is parsed
// already, else nil; read returns a file of the repository. The workspace's folder
// and manifest are returned; ok is false where there is none, and where one of the
// manifests on the way cannot be read.
func WorkspaceRoot(own *crate.Manifest, dir string, read func(file string) ([]byte, bool)) (root string, m *crate.Manifest, ok bool) {
	left := maxAncestry
	for at := dir; ; at = parent(at) {
		data, there := read(path.Join(at, crate.ManifestFile))
		if left -= len(data); left < 0 {
			return "", nil, false
		}
		if there {
			m, err := own, error(nil)
			if m == nil || at != dir {
				m, err = crate.ParseManifest(data)
			}
			if err != nil {
				return "", nil, false
			}
			if isRootOf(m, at, dir) {
				return at, m, true
			}
			if pointer, ok := pointerOf(m); ok {
				return readRoot(path.Join(at, slashes(pointer)), read)
			}
		}
		if at == "" {
			return "", nil, false
		}
	}
}

func readRoot(dir string, read func(file string) ([]byte, bool)) (string, *crate.Manifest, bool) {
	if dir == ".." || strings.HasPrefix(dir, "../") {
		return "", nil, false
	}
	if dir == "." {
		dir = ""
	}
	data, ok := read(path.Join(dir, crate.ManifestFile))
	if !ok {
		return "", nil, false
	}
	m, err := crate.ParseManifest(data)
	if err != nil || m.Raw["workspace"] == nil {
		return "", nil, false
	}
	return dir, m, true
}

func pointerOf(m *crate.Manifest) (string, bool) {
	for _, name := range []string{"package", "project"} {
		if pointer, ok := tableOf(m.Raw, name)["workspace"].(string); ok {
			return pointer, true
		}
	}
	return "", false
}

// isRootOf reports whether a manifest is of a workspace that does not exclude the
// package in folder member. Excluded are the folders named, unless `members` names
// one of their own; patterns count for nothing here.
func isRootOf(m *crate.Manifest, root, member string) bool {
	workspace, ok := m.Raw["workspace"].(map[string]any)
	if !ok {
		return false
	}
	below := func(list string) bool {
		names, _ := stringsOf(workspace[list])
		for _, name := range names {
			folder := path.Join(root, slashes(name))
			if folder == "." || folder == "" || member == folder || strings.HasPrefix(member, folder+"/") {
				return true
			}
		}
		return false
	}
	return root == member || below("members") || !below("exclude")
}

func parent(folder string) string {
	if folder = path.Dir(folder); folder == "." {
		return ""
	}
	return folder
}
