package intake

import (
	"testing"
	"time"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/store"
)

// Each archive may unpack to hundreds of megabytes: they are unpacked in turn.
func TestOneArchiveAtATime(t *testing.T) {
	in := &Intake{Limits: crate.DefaultLimits}
	in.reading.Lock() // as while another is unpacked
	done := make(chan store.About)
	go func() { done <- in.describe([]byte("no gzip"), store.Release{Crate: "tin", Version: "1.0.0"}) }()
	select {
	case <-done:
		t.Error("a second archive was unpacked beside the first")
		in.reading.Unlock()
		return
	case <-time.After(20 * time.Millisecond): // a slow machine only makes this pass
	}
	in.reading.Unlock()
	<-done
}
