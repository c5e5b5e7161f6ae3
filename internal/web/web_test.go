package web

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/cratefence/cratefence/internal/htmlcheck"
)

func get(h http.Handler, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w
}

// read asks for a page that has to be there.
func read(t *testing.T, h http.Handler, path string) *htmlcheck.Doc {
	t.Helper()
	w := get(h, path)
	if w.Code != http.StatusOK {
		t.Fatalf("GET %s = %d, want 200", path, w.Code)
	}
	doc, err := htmlcheck.Parse(w.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestPagesCanBeReadByEverybody(t *testing.T) {
	h := serve(everything())
	for _, path := range append(pages, "/crates/nobody", "/nowhere") {
		doc, err := htmlcheck.Parse(get(h, path).Body.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		for _, problem := range htmlcheck.Lint(doc) {
			t.Errorf("GET %s: %s", path, problem)
		}
	}
}
