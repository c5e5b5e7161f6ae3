package gitobj

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type packet struct {
	Kind PacketKind
	Data string
}

func packets(in string) (all []packet, err error) {
	r := NewPacketReader(strings.NewReader(in))
	for {
		kind, data, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, packet{kind, string(data)})
	}
}

func TestPacketReader(t *testing.T) {
	long := strings.Repeat("x", MaxPacket-4)
	tests := []struct {
		name, in string
		want     []packet
		err      error
	}{
		{name: "empty", in: ""},
		{name: "data", in: "0006a\n", want: []packet{{DataPacket, "a\n"}}},
		{name: "no data", in: "0004", want: []packet{{DataPacket, ""}}},
		{name: "upper case", in: "000Aabcdef", want: []packet{{DataPacket, "abcdef"}}},
		{name: "special", in: "000000010002", want: []packet{{FlushPacket, ""}, {DelimPacket, ""}, {EndPacket, ""}}},
		{name: "longest", in: "fff0" + long, want: []packet{{DataPacket, long}}},
		{name: "too long", in: "fff1" + long + "x", err: ErrFormat},
		{name: "length three", in: "0003", err: ErrFormat},
		{name: "not hexadecimal", in: "00g0", err: ErrFormat},
		{name: "sign", in: "+004", err: ErrFormat},
		{name: "web page", in: "<!DOCTYPE html>", err: ErrFormat},
		{name: "cut in the length", in: "0000000", want: []packet{{FlushPacket, ""}}, err: ErrFormat},
		{name: "cut in the data", in: "0006a", err: ErrFormat},
		{name: "cut before the data", in: "0006", err: ErrFormat},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := packets(test.in)
			if !errors.Is(err, test.err) {
				t.Errorf("got %v, want %v", err, test.err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("packets (-want +got):\n%s", diff)
			}
		})
	}
}

// A stream that fails is told from one that is wrong.
func TestPacketReaderPassesErrors(t *testing.T) {
	broken := errors.New("connection reset")
	for _, before := range []string{"", "00", "0006", "0006a"} {
		r := NewPacketReader(io.MultiReader(strings.NewReader(before), failing{broken}))
		if _, _, err := r.Next(); !errors.Is(err, broken) || errors.Is(err, ErrFormat) {
			t.Errorf("after %q: %v, want %v", before, err, broken)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// What is read can be written again, to the same packets.
func FuzzPktLine(f *testing.F) {
	f.Add([]byte("0006a\n0000"))
	f.Add([]byte("000eversion 200010002"))
	f.Fuzz(func(t *testing.T, in []byte) {
		all, err := packets(string(in))
		if err != nil && !errors.Is(err, ErrFormat) {
			t.Fatalf("error of another kind: %v", err)
		}
		var out []byte
		for _, p := range all {
			switch p.Kind {
			case DataPacket:
				out = AppendPacket(out, p.Data)
			case FlushPacket:
				out = AppendFlush(out)
			case DelimPacket:
				out = AppendDelim(out)
			case EndPacket:
				out = append(out, "0002"...)
			}
		}
		if err == nil && !bytes.EqualFold(out, in) { // lengths may be upper-case
			t.Errorf("read %q, wrote %q", in, out)
		}
		again, err := packets(string(out))
		if diff := cmp.Diff(all, again); diff != "" || err != nil {
			t.Errorf("again (-first +second): %v\n%s", err, diff)
		}
	})
}
