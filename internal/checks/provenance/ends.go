package provenance

import (
	"bytes"
	"context"
	"path"
	"slices"
	"strings"
)

// Ends says how the line ends of a file that is otherwise the same are not the
// repository's.
type Ends string

// The line ends.
const (
	SameEnds    Ends = ""        // or no program tells them apart, or a checkout made them
	WindowsEnds Ends = "windows" // all are as on Windows, and the repository's as on Unix
	UnixEnds    Ends = "unix"    // the other way round, which no checkout does
	MixedEnds   Ends = "mixed"   // some are, which none does either
)

// endsOf says how the line ends of a text compare that was found under a kind.
func endsOf(kind Kind, data []byte) Ends {
	if kind != LineEnds {
		return SameEnds
	}
	switch bytes.Count(data, []byte("\r\n")) {
	case 0:
		return UnixEnds
	case bytes.Count(data, []byte("\n")):
		return WindowsEnds
	}
	return MixedEnds
}

// forgetEnds forgets the line ends of what compilers and cargo read: they take
// both alike.
func (c *comparison) forgetEnds() {
	for i := range c.out.Files {
		f := &c.out.Files[i]
		if f.Ends != SameEnds && (c.isOriginal(f.Path) || slices.Contains(leadingEnds, strings.ToLower(path.Ext(f.Path)))) {
			f.Ends = SameEnds
		}
	}
}

// weighEnds keeps those line ends that may matter. Who reads a document takes both
// alike; a list that a program takes in as it is, may not. Where the repository's
// attributes call a file text, a checkout on Windows writes it so, and the author
// knew.
func (c *comparison) weighEnds(ctx context.Context) error {
	var whole []int
	for i := range c.out.Files {
		f := &c.out.Files[i]
		if f.Ends == SameEnds || f.Ends == MixedEnds {
			continue
		}
		if f.Source {
			whole = append(whole, i)
		} else {
			f.Ends = SameEnds
		}
	}
	return c.byTree(ctx, whole, func(i int, a attributes) {
		if f := &c.out.Files[i]; f.Ends == WindowsEnds && a.checkedOutWindows(&c.matcher, f.inPath) {
			f.Ends, f.Source = SameEnds, false
		}
	})
}

// checkedOutWindows reports whether attributes let a checkout on Windows, and it
// alone, end the lines of a file otherwise than git does.
func (a attributes) checkedOutWindows(m *matcher, file string) bool {
	eol := a.value(m, file, "eol")
	switch a.value(m, file, "text") {
	case attributeUnset:
		return false
	case "":
		return eol == "crlf"
	}
	return eol != "lf"
}

// byTree shows the attributes that each file's repository has to visit. A server
// that hides them leaves the files as they are.
func (c *comparison) byTree(ctx context.Context, files []int, visit func(i int, a attributes)) error {
	for _, some := range c.groups(files) {
		var paths []string
		for _, i := range some {
			paths = append(paths, c.out.Files[i].inPath)
		}
		all, err := c.out.Files[some[0]].in.attributes(ctx, paths)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			continue
		}
		for _, i := range some {
			visit(i, all)
		}
	}
	return nil
}

// groups sorts files by the repository that their counterparts stand in, in the
// order of the first of each.
func (c *comparison) groups(files []int) (all [][]int) {
	at := map[*tree]int{}
	for _, i := range files {
		t := c.out.Files[i].in
		if _, seen := at[t]; !seen {
			at[t] = len(all)
			all = append(all, nil)
		}
		all[at[t]] = append(all[at[t]], i)
	}
	return all
}
