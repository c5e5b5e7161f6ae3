package store

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"slices"
	"strings"
	"time"
)

// NewCode draws a code for links: 50 bits in ten lower-case characters.
func NewCode() string { return strings.ToLower(rand.Text()[:10]) }

// Mark is the same for decisions between which nothing happened that a person
// would want to read: their verdicts, rules and ends are the same, for the same
// line. Words may differ, since they tell ages, and so may the time to look again.
func (d DecisionRecord) Mark() [32]byte {
	h := sha256.New()
	h.Write(d.Line[:])
	mark(h, string(d.Decision.State))
	if d.Decision.Observed {
		mark(h, "observed")
	}
	for _, r := range d.Decision.Reasons {
		mark(h, r.Rule)
		mark(h, string(r.Verdict))
		var until int64
		if !r.Until.IsZero() {
			until = r.Until.UnixMilli()
		}
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(until)))
	}
	return [32]byte(h.Sum(nil))
}

// EchoTime is how far apart replicas come to the same decision.
const EchoTime = 10 * time.Second

// Echoes reports whether d is what another replica came to at about the same time,
// in a history that has gone on since.
func (d DecisionRecord) Echoes(history []DecisionRecord) bool {
	return slices.ContainsFunc(history, func(h DecisionRecord) bool {
		return h.At.Sub(d.At).Abs() <= EchoTime && h.Mark() == d.Mark()
	})
}

// mark adds text that says where it ends.
func mark(h hash.Hash, text string) {
	h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(text))))
	h.Write([]byte(text))
}
