package crate

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"runtime"
	"testing"
)

// An archive that says of itself that it is small costs no more memory than it
// says, whatever it unpacks to.
func TestInflateKeepsNoMoreThanIsSaid(t *testing.T) {
	const size = 64 << 20
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	data := packed.Bytes()
	binary.LittleEndian.PutUint32(data[len(data)-4:], 1000)

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Read(data, Release{Name: "tin", Version: "1.0.0"}, DefaultLimits)
	runtime.ReadMemStats(&after)
	if err == nil {
		t.Error("an archive with a wrong size was accepted")
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > size/8 {
		t.Errorf("took %d bytes of memory, to refuse an archive that says it has 1000", took)
	}
}
