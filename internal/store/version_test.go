package store

import "testing"

func TestCompareVersions(t *testing.T) {
	// Each is older than the next.
	order := []string{
		"", "1.0", "not a version", // what cannot be read comes first
		"0.0.1-alpha", "0.0.1-alpha.1", "0.0.1-alpha.2", "0.0.1-alpha.10", "0.0.1-beta", "0.0.1",
		"1.0.0", "1.0.0+a", "1.0.0+b", "1.9.0", "1.10.0", "2.0.0-rc.1", "2.0.0", "18446744073709551615.0.0",
	}
	for i, a := range order {
		for j, b := range order {
			if got, want := sign(CompareVersions(a, b)), sign(i-j); got != want {
				t.Errorf("CompareVersions(%q, %q) = %d, want %d", a, b, got, want)
			}
		}
	}
}

func sign(n int) int { return max(-1, min(n, 1)) }

func TestSpeaksBefore(t *testing.T) {
	// Each speaks for the crate before the next.
	order := []Release{
		{Version: "2.0.0"},
		{Version: "1.10.0"},
		{Version: "1.9.0"},
		{Version: "3.0.0-rc.1"},
		{Version: "1.0.0-rc.1"},
		{Version: "4.0.0", Yanked: true},
		{Version: "4.0.0-rc.1", Yanked: true},
	}
	for i, a := range order {
		for j, b := range order {
			if got := a.SpeaksBefore(b); got != (i < j) {
				t.Errorf("%s (yanked %t) before %s (yanked %t) = %t, want %t", a.Version, a.Yanked, b.Version, b.Yanked, got, i < j)
			}
		}
	}
}

func TestFactsReplace(t *testing.T) {
	// Each takes the place of itself and of those before it, and not of those after.
	order := []CheckRun{
		{Version: "1.9.0", CheckVersion: 3},
		{Version: "1.10.0", CheckVersion: 1},
		{Version: "1.10.0", CheckVersion: 2},
		{Version: "2.0.0", CheckVersion: 1},
	}
	for i, a := range order {
		for j, b := range order {
			if got := a.FactsReplace(b); got != (i >= j) {
				t.Errorf("facts of %s, check version %d, replace those of %s, %d = %t, want %t",
					a.Version, a.CheckVersion, b.Version, b.CheckVersion, got, i >= j)
			}
		}
	}
}
