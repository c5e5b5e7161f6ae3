package cratetest

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/rand/v2"
	"strconv"
	"time"
)

// giantLine is what a line exceeds in a crate of giant lines.
const giantLine = 64 << 10

// File returns the index file of crate i.
func (x *WholeIndex) File(i int) []byte { return x.AppendFile(nil, i) }

// AppendFile appends the index file of crate i to buf.
func (x *WholeIndex) AppendFile(buf []byte, i int) []byte {
	c := x.crates[i]
	r := x.rng(i)
	// One crate in twenty published within the last fortnight.
	last := x.spec.End.Add(-time.Duration(2555 * 24 * math.Pow(r.Float64(), 1.76) * float64(time.Hour)))
	step := time.Duration((1 + 40*r.Float64()) * 24 * float64(time.Hour))
	dated := i%200 != 199
	versions := c.versions
	if c.typical > giantLine {
		versions = min(versions, 6) // so that they are few
	}
	for n := range c.versions {
		line := madeLine{crate: c, number: n, typical: c.typical}
		if n < c.versions-versions {
			line.typical = 1000
		}
		if dated {
			line.published = last.Add(-step * time.Duration(c.versions-1-n))
		}
		buf = x.appendLine(buf, r, line)
	}
	return buf
}

type madeLine struct {
	crate     madeCrate
	number    int
	typical   int
	published time.Time // zero where the line does not say
}

// appendLine writes a line as crates.io does, key by key in its order.
func (x *WholeIndex) appendLine(buf []byte, r *rand.Rand, l madeLine) []byte {
	start := len(buf)
	// Crates grow with their versions.
	length := int(float64(l.typical) * (0.7 + 0.6*float64(l.number+1)/float64(l.crate.versions)))
	buf = append(buf, `{"name":"`...)
	buf = append(buf, l.crate.name...)
	buf = append(buf, `","vers":"`...)
	buf = appendVersion(buf, l.number)
	buf = append(buf, `","deps":[`...)
	for n, d := range l.crate.deps {
		if n > 0 {
			if len(buf)-start > length-300 {
				break
			}
			buf = append(buf, ',')
		}
		buf = appendDep(buf, x.crates[d.crate].name, d.kinds, l.number)
	}
	buf = append(buf, `],"cksum":"`...)
	var sum [32]byte
	for n := 0; n < len(sum); n += 8 {
		binary.LittleEndian.PutUint64(sum[n:], r.Uint64())
	}
	buf = hex.AppendEncode(buf, sum[:])
	buf = append(buf, `","features":{"default":["std"],"std":[]`...)
	for n := 0; len(buf)-start < length-75; n++ {
		buf = append(buf, `,"feature-`...)
		buf = strconv.AppendInt(buf, int64(n), 10)
		buf = append(buf, `":["std","dep-of-feature/std"]`...)
	}
	buf = append(buf, `},"yanked":`...)
	buf = strconv.AppendBool(buf, r.Uint32()%100 < 3)
	if !l.published.IsZero() {
		buf = append(buf, `,"pubtime":"`...)
		buf = l.published.UTC().AppendFormat(buf, "2006-01-02T15:04:05Z")
		buf = append(buf, '"')
	}
	return append(buf, "}\n"...)
}

// appendVersion counts 0.1.0, 0.1.1, … 0.1.4, 0.2.0, … 0.9.4, 1.0.0, …
func appendVersion(buf []byte, number int) []byte {
	number += 5
	buf = strconv.AppendInt(buf, int64(number/50), 10)
	buf = append(buf, '.')
	buf = strconv.AppendInt(buf, int64(number%50/5), 10)
	buf = append(buf, '.')
	return strconv.AppendInt(buf, int64(number%5), 10)
}

func appendDep(buf []byte, name string, kinds uint8, number int) []byte {
	kind := "normal"
	switch {
	case kinds&1 != 0:
	case kinds&2 != 0:
		kind = "build"
	case kinds&4 != 0:
		kind = "dev"
	}
	buf = append(buf, `{"name":"`...)
	buf = append(buf, name...)
	buf = append(buf, `","req":"^1.`...)
	buf = strconv.AppendInt(buf, int64(number/8), 10)
	buf = append(buf, `","features":[],"optional":false,"default_features":true,"target":null,"kind":"`...)
	buf = append(buf, kind...)
	return append(buf, `"}`...)
}
