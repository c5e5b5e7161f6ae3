package main

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/runner"
	"github.com/cratefence/cratefence/internal/store"
)

// metrics is what Prometheus is told.
type metrics struct {
	registry *prometheus.Registry
	runs     *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	requests *prometheus.CounterVec
}

func newMetrics(db database) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cratefence_check_runs_total", Help: "Check runs completed by this process.",
		}, []string{"check", "conclusion"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "cratefence_check_run_seconds", Help: "How long check runs took.",
			Buckets: prometheus.ExponentialBuckets(0.005, 3, 9),
		}, []string{"check"}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cratefence_http_requests_total", Help: "Requests answered, by route and status.",
		}, []string{"route", "status"}),
	}
	abandoned := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "cratefence_abandoned_checks", Help: "Checks that ignored their timeout and still run.",
	}, func() float64 { return float64(runner.Abandoned()) })
	m.registry.MustRegister(abandoned, m.runs, m.seconds, m.requests, &storeCollector{db: db},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// watch adds what the fence tells of itself.
func (m *metrics) watch(f *fence) {
	gauge := func(name, help string, read func() float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read))
	}
	gauge("cratefence_gate_crates", "Crates whose index files the gate holds.", func() float64 { return float64(f.gate.Health().Crates) })
	gauge("cratefence_gate_heard_seconds", "How long ago the gate last heard from its database.",
		func() float64 { return time.Since(f.gate.Health().Heard).Seconds() })
	gauge("cratefence_gate_blind", "1 while that is longer ago than fence.max_stale, and nothing is newly allowed.",
		func() float64 {
			if f.gate.Health().Blind {
				return 1
			}
			return 0
		})
	gauge("cratefence_gate_unrecorded_decisions", "Decisions in force that are not recorded yet.", func() float64 { return float64(f.gate.Health().Unrecorded) })
	gauge("cratefence_gate_lost_decisions", "Decisions that were never recorded, for want of room.", func() float64 { return float64(f.gate.Health().Lost) })
	gauge("cratefence_policies_refused", "1 while the policies' file has a mistake, and those before stay in force.", func() float64 {
		if f.policies.refused.Load() {
			return 1
		}
		return 0
	})
	gauge("cratefence_fetches_dropped", "Downloads that were not recorded, for want of room.", func() float64 { return float64(f.fetches.Dropped()) })
}

// observe is told of every executed run.
func (m *metrics) observe(name string, conclusion check.Conclusion, took time.Duration) {
	m.runs.WithLabelValues(name, string(conclusion)).Inc()
	m.seconds.WithLabelValues(name).Observe(took.Seconds())
}

// count wraps a handler to count its answers. Routes are labelled by the mux's
// pattern, never by the path, which anybody chooses.
func (m *metrics) count(route string, next http.Handler) http.Handler {
	var known sync.Map // counters by status: cargo asks for hundreds of files at a time
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		recorder := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(recorder, r)
		counter, ok := known.Load(recorder.status)
		if !ok {
			counter, _ = known.LoadOrStore(recorder.status, m.requests.WithLabelValues(route, strconv.Itoa(recorder.status)))
		}
		counter.(prometheus.Counter).Inc()
	})
}

type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (r *statusRecorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the writer beneath.
func (r *statusRecorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// countsAge is how old the store's counts may be: counting reads every run.
const countsAge = 15 * time.Second

// storeCollector reads what the store holds when Prometheus asks.
type storeCollector struct {
	db database

	mu     sync.Mutex
	counts store.Counts
	readAt time.Time
}

// read returns the counts, counted anew when they are old.
func (c *storeCollector) read(ctx context.Context) (store.Counts, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.readAt) < countsAge {
		return c.counts, nil
	}
	counts, err := c.db.Counts(ctx)
	if err == nil {
		c.counts, c.readAt = counts, time.Now()
	}
	return counts, err
}

var (
	cratesDesc    = prometheus.NewDesc("cratefence_crates", "Crates known.", nil, nil)
	releasesDesc  = prometheus.NewDesc("cratefence_releases", "Releases known.", nil, nil)
	incidentsDesc = prometheus.NewDesc("cratefence_incidents", "Times that other bytes were offered under a known name and version.", nil, nil)
	runsDesc      = prometheus.NewDesc("cratefence_runs", "Check runs by status.", []string{"status"}, nil)
	waitingDesc   = prometheus.NewDesc("cratefence_oldest_due_run_seconds", "How long the oldest run that is due has waited.", nil, nil)
)

func (c *storeCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{cratesDesc, releasesDesc, incidentsDesc, runsDesc, waitingDesc} {
		ch <- d
	}
}

func (c *storeCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	counts, err := c.read(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(cratesDesc, err)
		return
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(cratesDesc, float64(counts.Crates))
	gauge(releasesDesc, float64(counts.Releases))
	gauge(incidentsDesc, float64(counts.Incidents))
	for _, status := range []store.Status{store.Queued, store.InProgress, store.Completed} {
		gauge(runsDesc, float64(counts.Runs[status]), string(status))
	}
	waited := 0.0
	if !counts.OldestQueued.IsZero() {
		waited = max(0, time.Since(counts.OldestQueued).Seconds())
	}
	gauge(waitingDesc, waited)
}

// health answers those who watch the process.
type health struct {
	db       database
	stopping atomic.Bool
}

func (h *health) routes(mux *http.ServeMux, m *metrics) {
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET /readyz", h.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		Registry: m.registry, MaxRequestsInFlight: 2, Timeout: 10 * time.Second,
	}))
}

func (h *health) ready(w http.ResponseWriter, r *http.Request) {
	if h.stopping.Load() {
		plain(w, http.StatusServiceUnavailable, "stopping\n")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	if h.db.Ping(ctx) != nil {
		plain(w, http.StatusServiceUnavailable, "the database does not answer\n")
		return
	}
	plain(w, http.StatusOK, "ok\n")
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // a client that has gone is no trouble of ours
}
