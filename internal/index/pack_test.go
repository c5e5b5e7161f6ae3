package index

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestPack(t *testing.T) {
	lines := []byte(strings.Repeat(least("")+"\n", 100))
	packed := Pack(lines)
	if !bytes.Equal(packed, Pack(lines)) {
		t.Error("Pack gives other bytes for the same lines")
	}
	got, err := Unpack(packed, len(lines))
	if err != nil || !bytes.Equal(got, lines) {
		t.Errorf("Unpack(Pack(lines)) = %d bytes, %v; want the %d bytes packed", len(got), err, len(lines))
	}
}

func TestUnpackRefuses(t *testing.T) {
	lines := []byte(least("") + "\n")
	whole := Pack(lines)
	damaged := bytes.Clone(whole)
	damaged[len(damaged)-5] ^= 1 // in the sum of what was packed
	tests := []struct {
		name   string
		packed []byte
		size   int
		want   error // nil for any
	}{
		{name: "nothing", packed: nil, size: 1},
		{name: "no gzip", packed: lines, size: len(lines)},
		{name: "cut short", packed: whole[:len(whole)-9], size: len(lines)},
		{name: "damaged", packed: damaged, size: len(lines)},
		{name: "more than its size", packed: whole, size: len(lines) - 1, want: errSize},
		{name: "less than its size", packed: whole, size: len(lines) + 1},
		{name: "no size", packed: whole, size: -1, want: errSize},
		{name: "a size that takes all memory", packed: whole, size: 1 << 50, want: ErrTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Unpack(tt.packed, tt.size)
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("Unpack = %d bytes, %v; want an error (%v)", len(got), err, tt.want)
			}
		})
	}
}
