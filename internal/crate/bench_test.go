package crate

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// sourceTree is a crate of about the given size that compresses as source does.
func sourceTree(files, size int) []entry {
	words := strings.Fields("pub fn let mut self Result Option match impl for where struct enum use crate return if else => :: -> ; { } ( ) // value index buffer")
	random := rand.New(rand.NewPCG(1, 2))
	entries := []entry{file("Cargo.toml", fooManifest)}
	for i := range files {
		var b strings.Builder
		for b.Len() < size {
			fmt.Fprintf(&b, "%s%d ", words[random.IntN(len(words))], random.IntN(50))
		}
		entries = append(entries, file(fmt.Sprintf("src/f%04d.rs", i), b.String()))
	}
	return entries
}

func BenchmarkRead(b *testing.B) {
	for _, size := range []struct{ files, bytes int }{{10, 4 << 10}, {100, 16 << 10}, {2000, 16 << 10}} {
		b.Run(fmt.Sprintf("%d_files", size.files), func(b *testing.B) {
			tar := stream(sourceTree(size.files, size.bytes)...)
			data := gzipped(b, tar)
			b.SetBytes(int64(len(tar)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Read(data, foo, DefaultLimits); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkReadTar leaves out gzip, which is most of BenchmarkRead.
func BenchmarkReadTar(b *testing.B) {
	tar := stream(sourceTree(2000, 16<<10)...)
	b.SetBytes(int64(len(tar)))
	for b.Loop() {
		var found problems
		t := tarReader{stream: tar, root: "foo-1.0.0/", lim: DefaultLimits, found: &found}
		t.read()
		t.paths.check(&found)
		if err := found.err(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReadRefused reads an archive in which everything is wrong.
func BenchmarkReadRefused(b *testing.B) {
	var entries []entry
	for i := range 10_000 {
		entries = append(entries, entry{name: fmt.Sprintf("foo-1.0.0/../%d", i%100), kind: '2'})
	}
	tar := stream(entries...)
	data := gzipped(b, tar)
	b.SetBytes(int64(len(tar)))
	for b.Loop() {
		if _, err := Read(data, foo, DefaultLimits); err == nil {
			b.Fatal("accepted")
		}
	}
}

func BenchmarkParseManifest(b *testing.B) {
	var text strings.Builder
	text.WriteString(fooManifest)
	for i := range 500 {
		fmt.Fprintf(&text, "[dependencies.d%d]\nversion = \"1.%d\"\nfeatures = [\"a\", \"b\"]\noptional = true\n", i, i)
	}
	long := strings.Repeat(strings.Repeat("x", maxManifestKey-10)+".", 50)
	for _, manifest := range []struct{ name, text string }{
		{"small", fooManifest},
		{"500_dependencies", text.String()},
		// The worst that is accepted.
		{"many_keys", manyKeys(maxManifestKeys)},
		{"many_keys_below_a_long_path", "[" + long + "x]\n" + manyKeys(maxManifestKeys-100)},
	} {
		b.Run(manifest.name, func(b *testing.B) {
			b.SetBytes(int64(len(manifest.text)))
			for b.Loop() {
				if _, err := ParseManifest([]byte(manifest.text)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
