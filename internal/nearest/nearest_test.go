package nearest

import (
	"strings"
	"testing"
)

func TestOf(t *testing.T) {
	candidates := []string{"listen", "worker", "worker.checks", "egress.allow", "upstream.name"}
	tests := []struct{ in, want string }{
		{"liste", "listen"},
		{"LISTEN", "listen"},
		{"worker.check", "worker.checks"}, // not the table, though that is near, too
		{"egress.alow", "egress.allow"},
		{"upstream.url", "upstream.name"},
		{"completely.different", ""}, // a guess would be noise
		{"", ""},
		{strings.Repeat("x", 10_000), ""},
	}
	for _, tt := range tests {
		if got := Of(tt.in, candidates); got != tt.want {
			t.Errorf("Of(%.40q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}
