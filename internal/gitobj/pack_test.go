package gitobj

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A builder writes packs, wrong ones too.
type builder struct {
	body  bytes.Buffer
	count uint32
}

func (b *builder) header(typ byte, size int) {
	b.count++
	c := typ<<4 | byte(size&15)
	for size >>= 4; size > 0; size >>= 7 {
		b.body.WriteByte(c | 0x80)
		c = byte(size & 0x7f)
	}
	b.body.WriteByte(c)
}

func (b *builder) deflate(data string) {
	z := zlib.NewWriter(&b.body)
	z.Write([]byte(data))
	z.Close()
}

// object adds a whole object and returns its offset.
func (b *builder) object(typ byte, data string) int {
	offset := packHeader + b.body.Len()
	b.header(typ, len(data))
	b.deflate(data)
	return offset
}

func (b *builder) refDelta(base ID, delta string) {
	b.header(typeRefDelta, len(delta))
	b.body.Write(base[:])
	b.deflate(delta)
}

// ofsDelta adds a delta on the object at offset, which is less than 128 bytes back.
func (b *builder) ofsDelta(offset int, delta string) int {
	at := packHeader + b.body.Len()
	b.header(typeOfsDelta, len(delta))
	b.body.WriteByte(byte(at - offset))
	b.deflate(delta)
	return at
}

func (b *builder) bytes() []byte { return seal(b.count, b.body.String()) }

// seal frames the body of a pack.
func seal(count uint32, body string) []byte {
	out := binary.BigEndian.AppendUint32([]byte("PACK\x00\x00\x00\x02"), count)
	out = append(out, body...)
	sum := sha1.Sum(out)
	return append(out, sum[:]...)
}

// What the deltas below make: copy all five bytes of "hello", insert "!".
const helloDelta = "\x05\x06\x90\x05\x01!"

var small = PackLimits{Objects: 5, Object: 1000, Inflated: 2000, Depth: 2}

func TestReadPack(t *testing.T) {
	hello, _ := BlobID([]byte("hello"))
	excited, _ := BlobID([]byte("hello!"))
	more, _ := BlobID([]byte("hello!!"))
	tests := []struct {
		name  string
		build func(b *builder)
		want  map[ID]string
	}{
		{"empty", func(b *builder) {}, map[ID]string{}},
		{"blob", func(b *builder) { b.object(3, "hello") }, map[ID]string{hello: "hello"}},
		{"the same twice", func(b *builder) { b.object(3, "hello"); b.object(3, "hello") }, map[ID]string{hello: "hello"}},
		{"delta by id", func(b *builder) {
			b.object(3, "hello")
			b.refDelta(hello, helloDelta)
		}, map[ID]string{hello: "hello", excited: "hello!"}},
		{"delta by id before its base", func(b *builder) {
			b.refDelta(hello, helloDelta)
			b.object(3, "hello")
		}, map[ID]string{hello: "hello", excited: "hello!"}},
		{"delta on a delta by offset", func(b *builder) {
			at := b.object(3, "hello")
			at = b.ofsDelta(at, helloDelta)
			b.ofsDelta(at, "\x06\x07\x90\x06\x01!")
		}, map[ID]string{hello: "hello", excited: "hello!", more: "hello!!"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var b builder
			test.build(&b)
			p, err := ReadPack(b.bytes(), small, nil)
			if err != nil {
				t.Fatal(err)
			}
			got := map[ID]string{}
			for _, id := range p.IDs(Blob) {
				data, err := p.Blob(id)
				if err != nil {
					t.Fatal(err)
				}
				got[id] = string(data)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("blobs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadPackRefuses(t *testing.T) {
	hello, _ := BlobID([]byte("hello"))
	valid := func() []byte {
		var b builder
		b.object(3, "hello")
		return b.bytes()
	}
	build := func(f func(b *builder)) []byte {
		var b builder
		f(&b)
		return b.bytes()
	}
	delta := func(d string) []byte {
		return build(func(b *builder) { b.object(3, "hello"); b.refDelta(hello, d) })
	}
	damaged := valid()
	damaged[14] ^= 1
	tests := []struct {
		name string
		in   []byte
		want error
	}{
		{"nothing", nil, ErrFormat},
		{"no pack", []byte("<html>" + strings.Repeat(" ", 100)), ErrFormat},
		{"cut short", valid()[:len(valid())-1], ErrFormat},
		{"damaged", damaged, ErrFormat},
		{"version 3", func() []byte {
			out := []byte("PACK\x00\x00\x00\x03\x00\x00\x00\x00")
			sum := sha1.Sum(out)
			return append(out, sum[:]...)
		}(), ErrFormat},
		{"fewer objects than counted", seal(2, string(valid()[12:len(valid())-20])), ErrFormat},
		{"more bytes than counted", seal(1, string(valid()[12:len(valid())-20])+"x"), ErrFormat},
		{"bytes after no objects", seal(0, "x"), ErrFormat},
		{"objects over the limit", seal(6, "xxxxxxxx"), ErrLimit},
		{"object over the limit", build(func(b *builder) { b.object(3, strings.Repeat("x", 1001)) }), ErrLimit},
		{"all over the limit", build(func(b *builder) {
			for range 3 {
				b.object(3, strings.Repeat("x", 900))
			}
		}), ErrLimit},
		{"type 0", build(func(b *builder) { b.object(0, "x") }), ErrFormat},
		{"type 5", build(func(b *builder) { b.object(5, "x") }), ErrFormat},
		{"bomb: more than declared", build(func(b *builder) { b.header(3, 10); b.deflate(strings.Repeat("x", 1_000_000)) }), ErrFormat},
		{"less than declared", build(func(b *builder) { b.header(3, 10); b.deflate("x") }), ErrFormat},
		{"more declared than can be", build(func(b *builder) { b.header(3, 1000) }), ErrFormat},
		{"size without end", seal(1, strings.Repeat("\xbf", 30)), ErrFormat},
		{"not zlib", build(func(b *builder) { b.header(3, 5); b.body.WriteString("hello") }), ErrFormat},
		{"zlib checksum", build(func(b *builder) {
			b.object(3, "hello")
			b.body.Truncate(b.body.Len() - 1)
			b.body.WriteByte(0)
		}), ErrFormat},
		{"base not there", build(func(b *builder) { b.refDelta(hello, helloDelta) }), ErrFormat},
		{"base offset to nothing", build(func(b *builder) { at := b.object(3, "hello"); b.ofsDelta(at+1, helloDelta) }), ErrFormat},
		{"base offset before the pack", build(func(b *builder) { b.ofsDelta(-100, helloDelta) }), ErrFormat},
		{"base offset to itself", build(func(b *builder) { b.ofsDelta(packHeader, helloDelta) }), ErrFormat},
		{"base offset without end", build(func(b *builder) {
			b.header(typeOfsDelta, 6)
			b.body.WriteString(strings.Repeat("\xff", 20))
		}), ErrFormat},
		{"base id cut short", build(func(b *builder) { b.header(typeRefDelta, 6) }), ErrFormat},
		{"three deltas deep", build(func(b *builder) {
			at := b.object(3, "hello")
			at = b.ofsDelta(at, helloDelta)
			at = b.ofsDelta(at, "\x06\x05\x90\x05")
			b.ofsDelta(at, helloDelta)
		}), ErrLimit},
		{"delta for another size", delta("\x04\x06\x90\x05\x01!"), ErrFormat},
		{"delta makes less", delta("\x05\x07\x90\x05\x01!"), ErrFormat},
		{"delta makes more", delta("\x05\x05\x90\x05\x01!"), ErrFormat},
		{"delta makes too much", delta("\x05\xff\xff\x7f\x90\x05"), ErrLimit},
		{"delta copies beyond", delta("\x05\x06\x90\x06"), ErrFormat},
		{"delta copies from beyond", delta("\x05\x01\x91\x05\x01"), ErrFormat},
		{"delta inserts beyond", delta("\x05\x06\x06hello"), ErrFormat},
		{"delta instruction 0", delta("\x05\x06\x90\x05\x00"), ErrFormat},
		{"delta instruction cut", delta("\x05\x06\x90"), ErrFormat},
		{"delta without sizes", delta(""), ErrFormat},
		{"delta size without end", delta(strings.Repeat("\xff", 12)), ErrFormat},
	}
	for _, test := range tests {
		if _, err := ReadPack(test.in, small, nil); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
	}
}

// An object asked for as another kind, or not there, is an error.
func TestPackKinds(t *testing.T) {
	var b builder
	b.object(3, "hello")
	p, err := ReadPack(b.bytes(), small, nil)
	if err != nil {
		t.Fatal(err)
	}
	hello, _ := BlobID([]byte("hello"))
	if _, err := p.Tree(hello); !errors.Is(err, ErrFormat) {
		t.Errorf("a blob as tree: %v", err)
	}
	if _, err := p.Commit(ID{1}); !errors.Is(err, ErrMissing) {
		t.Errorf("no commit: %v", err)
	}
}

// repository makes files that deltas pay for, over several commits, and returns
// its folder and a pack of all its objects.
func repository(t testing.TB) (dir string, pack []byte) {
	dir = t.TempDir()
	git(t, dir, "", "init", "-q")
	random := rand.New(rand.NewPCG(1, 2))
	var text strings.Builder
	for i := range 8 {
		fmt.Fprintf(&text, "line %d: %x\n", i, random.Uint64())
		for _, name := range []string{"a", "b/c"} {
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(strings.Repeat(name, i)+text.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		git(t, dir, "", "add", ".")
		git(t, dir, "", "commit", "-q", "-m", fmt.Sprint("change ", i))
	}
	git(t, dir, "", "tag", "-m", "annotated", "v1")
	return dir, []byte(git(t, dir, "", "pack-objects", "--all", "--stdout", "-q", "--delta-base-offset", "--window=50"))
}

func TestReadPackOfGit(t *testing.T) {
	dir, _ := repository(t)
	head := mustID(t, git(t, dir, "", "rev-parse", "HEAD"))
	want := len(strings.Fields(git(t, dir, "", "rev-list", "--objects", "--no-object-names", "--all")))
	for _, form := range []string{"--delta-base-offset", "--no-delta-base-offset"} {
		pack := git(t, dir, "", "pack-objects", "--all", "--stdout", "-q", form, "--window=50")
		p, err := ReadPack([]byte(pack), DefaultPackLimits, nil)
		if err != nil {
			t.Fatal(err)
		}
		if p.Len() != want {
			t.Errorf("%s: %d objects, want %d", form, p.Len(), want)
		}
		c, err := p.Commit(head)
		if err != nil {
			t.Fatal(err)
		}
		if c.Message != "change 7\n" || len(c.Parents) != 1 || !c.Committed.Equal(time.Unix(1700000001, 0)) {
			t.Errorf("%s: commit %+v", form, c)
		}
		root, err := p.Tree(c.Tree)
		if err != nil {
			t.Fatal(err)
		}
		file, _ := root.Entry("a")
		data, err := p.Blob(file.ID)
		if err != nil || string(data) != git(t, dir, "", "show", "HEAD:a") {
			t.Errorf("%s: file a is %q, %v", form, data, err)
		}
	}
}

// No pack makes the reader panic or hand out an object under another id.
func FuzzPack(f *testing.F) {
	hello, _ := BlobID([]byte("hello"))
	var b builder
	b.object(3, "hello")
	b.refDelta(hello, helloDelta)
	f.Add(b.count, b.body.Bytes())
	_, pack := repository(f)
	f.Add(binary.BigEndian.Uint32(pack[8:]), pack[12:len(pack)-20])
	limits := PackLimits{Objects: 1000, Object: 1 << 16, Inflated: 1 << 20, Depth: 50}
	f.Fuzz(func(t *testing.T, count uint32, body []byte) {
		p, err := ReadPack(seal(count, string(body)), limits, nil)
		if err != nil {
			if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrLimit) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		for _, id := range p.IDs(Blob) {
			data, err := p.Blob(id)
			if got, _ := BlobID(data); err != nil || got != id {
				t.Errorf("blob %v reads as %v, %v", id, got, err)
			}
		}
		for _, id := range p.IDs(TreeKind) {
			p.Tree(id)
		}
		for _, id := range p.IDs(CommitKind) {
			p.Commit(id)
		}
	})
}

func BenchmarkReadPack(b *testing.B) {
	_, pack := repository(b)
	b.SetBytes(int64(len(pack)))
	for b.Loop() {
		if _, err := ReadPack(pack, DefaultPackLimits, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// A thin pack stands on objects that its receiver has.
func TestReadThinPack(t *testing.T) {
	hello, _ := BlobID([]byte("hello"))
	excited, _ := BlobID([]byte("hello!"))
	more, _ := BlobID([]byte("hello!!"))
	var b builder
	b.refDelta(excited, "\x06\x07\x90\x06\x01!") // stands on the next
	b.refDelta(hello, helloDelta)
	have := func(id ID) (Kind, []byte, bool) { return Blob, []byte("hello"), id == hello }
	p, err := ReadPack(b.bytes(), small, have)
	if err != nil {
		t.Fatal(err)
	}
	if data, err := p.Blob(more); err != nil || string(data) != "hello!!" {
		t.Errorf("got %q, %v", data, err)
	}
	if _, err := p.Blob(hello); !errors.Is(err, ErrMissing) {
		t.Errorf("the base counts as part of the pack: %v", err)
	}
	none := func(ID) (Kind, []byte, bool) { return "", nil, false }
	for name, bases := range map[string]Bases{"no bases": nil, "other bases": none} {
		if _, err := ReadPack(b.bytes(), small, bases); !errors.Is(err, ErrMissing) || !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v, want %v", name, err, ErrMissing)
		}
	}
}
