package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReflow(t *testing.T) {
	const in = "A title\n\nOne two three four\nfive six.\n\n- **item** with many words\n  and more\n- next\n\n```toml\nkept = \"as wide as it is, and more\"\n```\n\nlast"
	const want = "A title\n\nOne two three\nfour five six.\n\n- **item** with\n  many words and\n  more\n- next\n\n```toml\nkept = \"as wide as it is, and more\"\n```\n\nlast"
	if diff := cmp.Diff(want, reflow(in, 16)); diff != "" {
		t.Errorf("reflow (-want +got):\n%s", diff)
	}
	if got := reflow(want, 16); got != want {
		t.Errorf("reflow again:\n%s", cmp.Diff(want, got))
	}
}
