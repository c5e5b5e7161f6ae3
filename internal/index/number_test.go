package index

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/crate"
)

// Whichever way a version is read, it is the same, and so is what is none.
func TestParseVersionAsCrateDoes(t *testing.T) {
	for _, s := range []string{
		"1.2.3", "0.0.0", "10.20.30", "999999999.0.1", "1234567890.0.1", "18446744073709551615.0.0", "18446744073709551616.0.0",
		"01.2.3", "1.00.3", "1.2.03", "1.2", "1.2.3.4", "1..3", ".1.2", "1.2.", "", "v1.2.3", "1.2.x", " 1.2.3", "-1.2.3",
		"1.2.3-rc.1", "1.2.3+x", "1.2.3-rc.1+x", "1.2.3-01",
	} {
		want, wantErr := crate.ParseVersion(s)
		got, err := parseVersion(s)
		if diff := cmp.Diff(want, got); diff != "" || (err == nil) != (wantErr == nil) {
			t.Errorf("%q: %v, want %v (-want +got):\n%s", s, err, wantErr, diff)
		}
		if _, plain := parseNumbers(s); plain && wantErr != nil {
			t.Errorf("%q is taken for numbers", s)
		}
	}
}

func BenchmarkParseVersion(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseVersion("1.0.219"); err != nil {
			b.Fatal(err)
		}
	}
}
