package gitobj

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	idA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	idB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	idC = "cccccccccccccccccccccccccccccccccccccccc"
)

func TestParseCommit(t *testing.T) {
	a, b, c := mustID(t, idA), mustID(t, idB), mustID(t, idC)
	when := time.Date(2023, 11, 14, 22, 13, 20, 0, time.UTC)
	tests := []struct {
		name, in string
		want     *Commit // nil: refused
	}{
		{
			name: "plain",
			in:   "tree " + idA + "\nparent " + idB + "\nauthor A <a> 1 +0000\ncommitter C <c> 1700000000 +0100\n\nOne\n\nTwo\n",
			want: &Commit{Tree: a, Parents: []ID{b}, Committed: when, Message: "One\n\nTwo\n"},
		},
		{
			name: "merge, signed, no message",
			in: "tree " + idA + "\nparent " + idB + "\nparent " + idC + "\nauthor A <a> 1 +0000\ncommitter C <c> 1700000000 -0800\n" +
				"gpgsig -----BEGIN\n x\n -----END\n\n",
			want: &Commit{Tree: a, Parents: []ID{b, c}, Committed: when},
		},
		{
			name: "root without a blank line",
			in:   "tree " + idA + "\nauthor A <a> 1 +0000\ncommitter C <c> 1700000000 +0000\n",
			want: &Commit{Tree: a, Committed: when},
		},
		{
			name: "a name with brackets", // seen in old histories
			in:   "tree " + idA + "\nauthor A <a> 1 +0000\ncommitter C > <<c>> 1700000000 +0000\n\n",
			want: &Commit{Tree: a, Committed: when},
		},
		{
			name: "no readable time",
			in:   "tree " + idA + "\nauthor A <a>\ncommitter C <c>\n\n",
			want: &Commit{Tree: a},
		},
		{
			name: "a time that JSON could not say",
			in:   "tree " + idA + "\nauthor A <a>\ncommitter C <c> 253402300800 +0000\n\n",
			want: &Commit{Tree: a},
		},
		{
			name: "message cut and made UTF-8",
			in:   "tree " + idA + "\nauthor A <a>\ncommitter C <c>\n\n\xff" + strings.Repeat("x", 5000),
			want: &Commit{Tree: a, Message: "\uFFFD" + strings.Repeat("x", MaxMessage-1)},
		},
		{name: "empty", in: ""},
		{name: "no tree", in: "parent " + idA + "\nauthor A\ncommitter C\n\n"},
		{name: "short tree", in: "tree " + idA[1:] + "\nauthor A\ncommitter C\n\n"},
		{name: "short parent", in: "tree " + idA + "\nparent " + idA[1:] + "\nauthor A\ncommitter C\n\n"},
		{name: "no author", in: "tree " + idA + "\ncommitter C <c> 1 +0000\n\n"},
		{name: "no committer", in: "tree " + idA + "\nauthor A <a> 1 +0000\n\n"},
		{name: "committer in the message", in: "tree " + idA + "\nauthor A <a> 1 +0000\n\ncommitter C <c> 1 +0000\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseCommit(ID{}, []byte(test.in))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("commit (-want +got): %v\n%s", err, diff)
			}
			if test.want == nil && !errors.Is(err, ErrFormat) {
				t.Errorf("got %v, want %v", err, ErrFormat)
			}
		})
	}
}
