package checks

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/cratetest"
	"github.com/cratefence/cratefence/internal/gitobj"
)

// A meanwhile gives no commit until it has been asked for refs.
type meanwhile struct {
	check.Source
	t     *testing.T
	once  sync.Once
	asked chan struct{}

	mu    sync.Mutex
	walks int
}

func (m *meanwhile) Refs(ctx context.Context, repository string, prefixes ...string) ([]check.Ref, error) {
	m.once.Do(func() { close(m.asked) })
	return m.Source.Refs(ctx, repository, prefixes...)
}

func (m *meanwhile) Snapshot(ctx context.Context, repository string, commit gitobj.ID) (check.Snapshot, error) {
	select {
	case <-m.asked:
	case <-time.After(10 * time.Second):
		m.t.Error("the commit is fetched before refs are asked for")
	}
	return m.Source.Snapshot(ctx, repository, commit)
}

func (m *meanwhile) Reachable(ctx context.Context, repository string, w check.Walk) ([]gitobj.ID, error) {
	m.mu.Lock()
	m.walks++
	m.mu.Unlock()
	return m.Source.Reachable(ctx, repository, w)
}

// Refs are asked for while the commit is fetched. Histories are read only of one
// that is there.
func TestProvenanceMeanwhile(t *testing.T) {
	f := newForge(t, demoRepository)
	for _, tt := range []struct {
		name, commit string
		want         check.Conclusion
	}{
		{"there", f.repository.Head(), check.Success},
		{"not pushed", strings.Repeat("1", 40), check.Inconclusive},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := f.publish(t, cratetest.Package{Commit: tt.commit, PathInVCS: "demo"}, "")
			source := &meanwhile{Source: s.Source, t: t, asked: make(chan struct{})}
			s.Source = source
			if r, _ := runCheck(t, s); r.Conclusion != tt.want {
				t.Errorf("concludes %s, want %s: %s", r.Conclusion, tt.want, r.Title)
			}
			source.mu.Lock()
			defer source.mu.Unlock()
			if tt.want == check.Inconclusive && source.walks > 0 {
				t.Errorf("%d walks for a commit that is not there", source.walks)
			}
		})
	}
}
