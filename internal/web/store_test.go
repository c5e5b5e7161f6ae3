package web

import "github.com/cratefence/cratefence/internal/store/storetest"

// What the pages ask for is what every store has.
var (
	_ Catalogue = storetest.Reader(nil)
	_ Results   = storetest.Reader(nil)
)
