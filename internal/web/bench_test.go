package web

import (
	"net/http/httptest"
	"testing"
)

func BenchmarkPage(b *testing.B) {
	h := serve(everything())
	for name, path := range map[string]string{
		"security": "/crates/arrayview/security", "versions": "/crates/quiet-crate/versions", "home": "/", "overview": "/crates/arrayview",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
				if w.Code != 200 {
					b.Fatal(w.Code)
				}
			}
		})
	}
}
