package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// channel is where servers tell each other that there are events.
const channel = "cratefence_gate"

// A herald notifies all servers of commits, one time for those that came
// meanwhile. It does so behind the transactions: a NOTIFY within one has the
// commits of the database wait for each other. What is lost with a crash is heard
// at the next stroke, see Wake.
type herald struct {
	due  chan struct{}
	stop context.CancelFunc
	done sync.WaitGroup
}

func newHerald(pool *pgxpool.Pool) *herald {
	ctx, stop := context.WithCancel(context.Background())
	h := &herald{due: make(chan struct{}, 1), stop: stop}
	h.done.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-h.due:
			}
			// Why it failed is heard by whoever writes next; the stroke makes up for it.
			_, _ = pool.Exec(ctx, `
				SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, '')`, channel)
		}
	})
	return h
}

// tell has others notified soon. It never waits.
func (h *herald) tell() {
	select {
	case h.due <- struct{}{}:
	default: // it will be
	}
}

func (h *herald) close() {
	h.stop()
	h.done.Wait()
}

// wakeAtAll is how often Wake signals without having heard anything, and how long
// it waits before it listens anew.
const wakeAtAll = time.Second

// Wake signals when there may be new events. It listens on a connection beside
// the pool, which may be as small as one; while it has none it signals each
// second all the same.
func (s *Store) Wake(ctx context.Context) <-chan struct{} {
	wake := make(chan struct{}, 1)
	signal := func() {
		select {
		case wake <- struct{}{}:
		default: // the last one has not been taken yet
		}
	}
	var both sync.WaitGroup
	both.Go(func() {
		for ctx.Err() == nil {
			s.listen(ctx, signal)
			pause(ctx, wakeAtAll)
		}
	})
	both.Go(func() {
		for pause(ctx, wakeAtAll) {
			signal()
		}
	})
	go func() {
		both.Wait()
		close(wake)
	}()
	return wake
}

// listen signals for each notification until the connection is lost. That it
// could not be made, or why it was lost, is nobody's concern here: the caller
// asks for events each second, and hears what is wrong.
func (s *Store) listen(ctx context.Context, signal func()) {
	conn, err := pgx.ConnectConfig(ctx, s.pool.Config().ConnConfig)
	if err != nil {
		return
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it is lost, or no longer needed
	if _, err := conn.Exec(ctx, `LISTEN `+channel); err != nil {
		return
	}
	for {
		signal() // the first time for what was missed before
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return
		}
	}
}

// pause waits, and reports whether ctx is still on.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
