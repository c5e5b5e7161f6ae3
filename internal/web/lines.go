package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/ruling"
	"github.com/cratefence/cratefence/internal/store"
)

// A lineEvent is one thing that happened to a crate's lines.
type lineEvent struct {
	Version string
	Text    string
	Detail  string
	At      *moment
}

var lineWords = map[store.LineChange]string{
	store.LinePublished:  "appeared in the index",
	store.LineYanked:     "was yanked upstream",
	store.LineUnyanked:   "is no longer yanked upstream",
	store.LineRewritten:  "has its line written otherwise; nothing changed that cargo resolves by",
	store.LineEdited:     "had its dependencies, features or links changed; the line from before is served",
	store.LineOtherBytes: "is offered with other bytes; they are never served",
	store.LineRemoved:    "is in upstream's index no more",
	store.LineReturned:   "is as it was first seen again",
	store.LineAccepted:   "was accepted as upstream has it now",
	store.LineHonoured:   "had its yank honoured",
	store.FileGone:       "is not known upstream any more",
	store.FileUnreadable: "has lines that cannot be read; they are left out",
}

// lineEvents are those of a crate, or of one of its versions and of the whole
// file.
func (s *site) lineEvents(ctx context.Context, name, version string) ([]lineEvent, error) {
	events, err := s.Fence.Traces.LineEvents(ctx, store.IndexKey(name), 0, maxEvents)
	if err != nil {
		return nil, err
	}
	var shown []lineEvent
	for _, e := range events {
		if version != "" && e.Version != "" && e.Version != version {
			continue
		}
		words, ok := lineWords[e.What]
		if !ok {
			words = "changed in a way that this program does not know: " + clip(string(e.What), maxName)
		}
		shown = append(shown, lineEvent{Version: clip(e.Version, maxName), Text: words, Detail: clip(e.Detail, maxSentence), At: s.clock().ago(e.At)})
	}
	return shown, nil
}

// A lineCase is what may be decided about a version's index line.
type lineCase struct {
	Crate, Version string
	Back           string
	Trouble        string // in words; "" for none
	Accepted       string
	Offered        string
	Digest         string // of the offered line, as the form sends it back
	Yanked         bool   // upstream, and that is not passed on
	Reader         reader
}

func (s *site) lineCase(r *http.Request, name, version, back string) (lineCase, error) {
	line := lineCase{Crate: name, Version: version, Back: back, Reader: readerOf(r)}
	file, records, err := s.Fence.Traces.IndexFile(r.Context(), store.IndexKey(name))
	if errors.Is(err, store.ErrNotFound) {
		return line, nil
	}
	if err != nil {
		return lineCase{}, err
	}
	i := slices.IndexFunc(records, func(one store.LineRecord) bool { return one.Version == version })
	if i < 0 {
		return line, nil
	}
	record := records[i]
	line.Yanked = record.Yanked && s.keepsYankBack(r, name, version)
	switch record.Trouble {
	case policy.LineChanged:
		line.Trouble = "Upstream changed what this version depends on. The line from before is served until somebody accepts the new one."
		line.Accepted, line.Offered = clip(acceptedLine(file, version), maxSnippet), clip(string(record.Offered), maxSnippet)
		line.Digest = fmt.Sprintf("%x", ruling.LineDigest(record.Offered))
	case policy.LineOtherBytes:
		line.Trouble = "Upstream names other bytes for this version than were first seen. They are never served."
		line.Offered = clip(string(record.Offered), maxSnippet)
	case policy.LineRemoved:
		line.Trouble = "Upstream's index has this version no more. Nothing of it is served."
	}
	return line, nil
}

// keepsYankBack reports whether a policy does not pass a yank on.
func (s *site) keepsYankBack(r *http.Request, name, version string) bool {
	return slices.ContainsFunc(s.policies(r), func(policyName string) bool {
		_, v, ok := s.version(policyName, name, version)
		return ok && v.Guard != nil && v.Guard.Kept
	})
}

// acceptedLine returns the line of a version that is served; "" when it cannot
// be read, for then it is shown to nobody.
func acceptedLine(file store.IndexFile, version string) string {
	line, err := file.Entry(version)
	if err != nil {
		return ""
	}
	return string(line.Raw)
}
