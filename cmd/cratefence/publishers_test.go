package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/intake"
	"github.com/cratefence/cratefence/internal/upstream"
)

func TestPublisherOf(t *testing.T) {
	year := func(n int) time.Time { return time.Date(n, 5, 1, 0, 0, 0, 0, time.UTC) }
	sum := func(version string) crate.Checksum { return crate.Sum([]byte(version)) }
	by := func(version string, at int, who string) upstream.Publication {
		return upstream.Publication{Version: version, Checksum: sum(version), PublishedAt: year(at), Publisher: who}
	}
	robot := by("1.4.0", 2025, "")
	robot.Trusted = &upstream.TrustedPublishing{Provider: "github", Repository: "o/demo"}
	all := []upstream.Publication{ // newest first, as crates.io answers
		robot, by("1.3.0", 2024, "mallory"), by("1.2.0", 2023, "ada"), by("1.1.0", 2021, "bob"), by("1.0.0", 2019, "ada"), by("0.1.0", 2015, ""),
	}
	tests := []struct {
		name, version string
		sum           crate.Checksum
		want          intake.Publisher
		known         bool
	}{
		{name: "of long standing", version: "1.2.0", want: intake.Publisher{Name: "ada", At: year(2023), Since: year(2019), Releases: 1}, known: true},
		{name: "new to the crate", version: "1.3.0", want: intake.Publisher{Name: "mallory", At: year(2024), Since: year(2024)}, known: true},
		{name: "trusted publishing", version: "1.4.0", want: intake.Publisher{Name: "github:o/demo", Trusted: true, At: year(2025), Since: year(2025)}, known: true},
		{name: "nobody knows", version: "0.1.0", want: intake.Publisher{At: year(2015), Since: year(2015)}},
		{name: "other bytes", version: "1.2.0", sum: sum("other")},
		{name: "no such version", version: "9.0.0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.sum.IsZero() {
				tt.sum = sum(tt.version)
			}
			got, known := publisherOf(all, tt.version, tt.sum)
			if diff := cmp.Diff(tt.want, got); diff != "" || known != tt.known {
				t.Errorf("known %v, want %v (-want +got):\n%s", known, tt.known, diff)
			}
		})
	}
}
