package gitobj

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// MaxMessage is where a commit's message is cut.
const MaxMessage = 4 << 10

// A Commit is what a commit object says.
type Commit struct {
	ID        ID
	Tree      ID
	Parents   []ID
	Committed time.Time // UTC; zero where the commit does not say it readably
	Message   string    // valid UTF-8, cut to MaxMessage
}

// parseCommit reads a commit's content. Tree and parents are read strictly; of
// the rest only what old and odd tools never got wrong is demanded.
func parseCommit(id ID, data []byte) (*Commit, error) {
	head, message, _ := bytes.Cut(data, []byte("\n\n"))
	lines := strings.Split(strings.TrimSuffix(string(head), "\n"), "\n")
	c := &Commit{ID: id, Message: text(message)}

	tree, ok := strings.CutPrefix(lines[0], "tree ")
	if !ok {
		return nil, fmt.Errorf("read commit %s: no tree: %w", id, ErrFormat)
	}
	var err error
	if c.Tree, err = ParseID(tree); err != nil {
		return nil, fmt.Errorf("read commit %s: %w: %w", id, ErrFormat, err)
	}
	rest := lines[1:]
	for len(rest) > 0 {
		parent, ok := strings.CutPrefix(rest[0], "parent ")
		if !ok {
			break
		}
		p, err := ParseID(parent)
		if err != nil {
			return nil, fmt.Errorf("read commit %s: %w: %w", id, ErrFormat, err)
		}
		c.Parents = append(c.Parents, p)
		rest = rest[1:]
	}
	if len(rest) < 2 || !strings.HasPrefix(rest[0], "author ") {
		return nil, fmt.Errorf("read commit %s: no author: %w", id, ErrFormat)
	}
	committer, ok := strings.CutPrefix(rest[1], "committer ")
	if !ok {
		return nil, fmt.Errorf("read commit %s: no committer: %w", id, ErrFormat)
	}
	c.Committed = committed(committer)
	return c, nil
}

// committed reads the time in "Name <mail> 1700000000 +0100".
func committed(line string) time.Time {
	fields := strings.Fields(line[strings.LastIndexByte(line, '>')+1:])
	if len(fields) == 0 {
		return time.Time{}
	}
	const year10000 = 253402300800 // from then on a time.Time has no JSON
	seconds, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil || seconds < 0 || seconds >= year10000 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}

func text(b []byte) string {
	return strings.ToValidUTF8(string(b[:min(len(b), MaxMessage)]), "\uFFFD")
}
