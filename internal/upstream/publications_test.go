package upstream

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPublications(t *testing.T) {
	at := time.Date(2026, 8, 20, 12, 30, 1, 123456000, time.UTC)
	version := func(more string) string {
		return `{"versions":[{"num":"1.0.0","checksum":"` + sum.String() + `","created_at":"2026-08-20T12:30:01.123456Z"` + more + `}]}`
	}
	tests := []struct {
		name   string
		answer http.HandlerFunc
		want   []Publication
		err    error
	}{
		{
			name:   "an account",
			answer: text(version(`,"published_by":{"id":1,"login":"droundy","name":"<b>"},"trustpub_data":null`)),
			want:   []Publication{{Version: "1.0.0", Checksum: sum, PublishedAt: at, Publisher: "droundy"}},
		},
		{
			name:   "a trusted-publishing identity",
			answer: text(version(`,"published_by":null,"trustpub_data":{"provider":"github","repository":"rust-lang/regex","run_id":"1","sha":"af773850"}`)),
			want: []Publication{{
				Version: "1.0.0", Checksum: sum, PublishedAt: at,
				Trusted: &TrustedPublishing{Provider: "github", Repository: "rust-lang/regex", Commit: "af773850"},
			}},
		},
		{ // as of registries that keep no record, and of the first years of crates.io
			name:   "nobody knows",
			answer: text(version("")),
			want:   []Publication{{Version: "1.0.0", Checksum: sum, PublishedAt: at}},
		},
		{
			name:   "a name with markup is nobody's",
			answer: text(version(`,"published_by":{"login":"<script>"}`)),
			want:   []Publication{{Version: "1.0.0", Checksum: sum, PublishedAt: at}},
		},
		{name: "no such crate", answer: answering(404), err: ErrNotFound},
		{name: "busy", answer: answering(429), err: ErrUnreachable},
		{name: "not an API", answer: text("<html>"), err: ErrProtocol},
		{name: "a version that is none", answer: text(`{"versions":[{"num":"../x"}]}`), err: ErrProtocol},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := registry{"/api/v1/crates/tidy-int/versions": tt.answer}
			c := newClient(t, r, Options{})
			base := c.base[:len(c.base)-len("/index/")]
			r["/index/config.json"] = text(`{"dl":"` + base + `/dl","api":"` + base + `"}`)
			got, err := c.Publications(t.Context(), "tidy-int")
			if !errors.Is(err, tt.err) {
				t.Fatalf("Publications = %v, want %v", err, tt.err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Publications (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPublicationsWithoutAPI(t *testing.T) {
	c := newClient(t, registry{}, Options{})
	if _, err := c.Publications(t.Context(), "tidy-int"); !errors.Is(err, ErrNotFound) {
		t.Errorf("Publications of a registry without an API = %v, want ErrNotFound", err)
	}
}
