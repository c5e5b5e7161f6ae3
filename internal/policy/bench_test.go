package policy

import (
	"syscall"
	"testing"
	"time"

	"github.com/cratefence/cratefence/internal/check"
)

// fiveRules are of the sort that organisations write.
const fiveRules = `
[policy.five]
preset = "medium"
[[policy.five.rule]]
name = "young-build-dependency"
when = 'dependencies.added.exists(d, d.kind == "build" && d.age < days(90))'
verdict = "hold"
text = "adds a young build dependency"
[[policy.five.rule]]
name = "own-names"
when = 'release.name.startsWith("myorg-") && publisher.name != "myorg-bot"'
verdict = "block"
text = "is under our name and not by us"
[[policy.five.rule]]
name = "unverified-build-files"
when = '"provenance" in checks && checks["provenance"].metrics["unverified_build_files"] > 0.0'
verdict = "hold"
text = "has build files that nothing verifies"
[[policy.five.rule]]
name = "prerelease"
when = 'release.version.contains("-") && release.age < days(30)'
verdict = "hold"
text = "is a young pre-release"
[[policy.five.rule]]
name = "after-silence"
when = 'silence > days(365) && changes.new_build_script'
verdict = "hold"
text = "wakes with a build script"
`

func BenchmarkDecide(b *testing.B) {
	set, err := Parse([]byte(fiveRules))
	if err != nil {
		b.Fatal(err)
	}
	old := good()
	old.Dated, old.Checks = true, nil
	attack := arrayref()
	checked := good()
	checked.Checks[2].Metrics = map[string]float64{"unverified_build_files": 0}
	for _, bb := range []struct {
		name   string
		policy *Policy
		ev     Evidence
		now    time.Duration
	}{
		{"medium/grandfathered", presets[Medium].Policy().WithBaseline(after(day)), old, 30 * day},
		{"medium/allowed", presets[Medium].Policy(), good(), 30 * day},
		{"medium/held", presets[Medium].Policy(), good(), time.Hour},
		{"high/attack", presets[High].Policy(), attack, 9 * time.Minute},
		{"five-rules/allowed", set.Policy("five"), checked, 30 * day},
		{"five-rules/attack", set.Policy("five"), attack, 9 * time.Minute},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			now, start := after(bb.now), cpuTime(b)
			for b.Loop() {
				bb.policy.Decide(bb.ev, now)
			}
			b.ReportMetric(float64(b.N)/(cpuTime(b)-start).Seconds(), "decisions/cpu-s")
		})
	}
}

// cpuTime is what the process has used, which tells more than the clock does on
// a machine that is shared.
func cpuTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// arrayref is the release of 2026-08-20 as it was seen nine minutes later.
func arrayref() Evidence {
	ev := good()
	ev.Dependencies = []NewDependency{{Name: "proc-macro1", Known: true, FirstPublished: after(-6 * time.Hour), Kind: "normal"}}
	ev.FirstDependencies = true
	ev.YanksAround = 5
	for i := range ev.Checks {
		ev.Checks[i].Conclusion, ev.Checks[i].Pending = "", true
	}
	ev.Checks[2].Conclusion, ev.Checks[2].Metrics = check.Inconclusive, map[string]float64{"unverified_build_files": 1}
	return ev
}
