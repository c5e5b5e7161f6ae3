package main

import (
	"math"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/cratefence/cratefence/internal/crate"
)

func TestBoundMemory(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	t.Setenv("GOMEMLIMIT", "off")
	boundMemory(memoryGoal(defaultConfig()))
	if got := debug.SetMemoryLimit(-1); got != before {
		t.Errorf("limit %d although the environment has one, want %d left", got, before)
	}
	t.Setenv("GOMEMLIMIT", "")
	boundMemory(memoryGoal(defaultConfig()))
	if got, want := debug.SetMemoryLimit(-1), int64(5*(64+512)<<20); got != want {
		t.Errorf("limit %d, want %d: four workers, and one crate on its way in", got, want)
	}
	absurd := defaultConfig()
	absurd.Limits.UnpackedBytes, absurd.Worker.Checks = math.MaxInt64, math.MaxInt
	if got := memoryGoal(absurd); got != math.MaxInt64 {
		t.Errorf("limit %d of absurd limits, want none", got)
	}
	large := &crate.Archive{Unpacked: 200 << 20}
	if got, want := checkGoal(large), int64(216<<20); got != want {
		t.Errorf("limit %d for a check, want %d: the crate, and a little", got, want)
	}
}

// One more than a limit is looked for, to tell the too long from the just fitting:
// a limit at the end of all numbers would be none, or refuse everything.
func TestAbsurdLimits(t *testing.T) {
	for _, change := range []func(*LimitsConfig){
		func(l *LimitsConfig) { l.CrateBytes = math.MaxInt64 },
		func(l *LimitsConfig) { l.UnpackedBytes = math.MaxInt64 },
	} {
		cfg := defaultConfig()
		change(&cfg.Limits)
		if cfg.validate() == nil {
			t.Errorf("limits %+v are accepted", cfg.Limits)
		}
	}
}

// A registry that can never be reached is a mistake in the configuration: to be
// told at the start, not to every announcement.
func TestRegistryThatEgressRefuses(t *testing.T) {
	cfg := defaultConfig()
	cfg.Upstream.Index = "sparse+http://10.0.0.1:8000/index/"
	shut, err := newEgress("", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newUpstream(cfg, shut); err == nil || !strings.Contains(err.Error(), `"upstream=10.0.0.1:8000"`) {
		t.Errorf("error %v, want one that says what permits it", err)
	}
	open, err := newEgress("", []string{"upstream=10.0.0.1:8000"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newUpstream(cfg, open); err != nil {
		t.Error(err)
	}
}
