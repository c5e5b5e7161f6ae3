package gitsource

import (
	"fmt"
	"testing"

	"github.com/cratefence/cratefence/internal/gitobj"
)

// BenchmarkSnapshot reads a commit of 4,000 files in 400 folders, and the next
// one, in which a file has changed: by a source, by one that was started anew and
// has its shelf, and by git, each of which knows only the commit before. What a whole check costs beside git is measured with
// the check provenance.
func BenchmarkSnapshot(b *testing.B) {
	f := newForge(b, "uploadpack.allowFilter=true")
	files := map[string]string{}
	for i := range 4000 {
		files[fmt.Sprintf("crates/c%03d/src/f%02d.rs", i/10, i%10)] = fmt.Sprintf("// file %d\n", i)
	}
	commits := []gitobj.ID{
		f.commit(b, "repo", files),
		f.commit(b, "repo", map[string]string{"crates/c007/src/f01.rs": "// changed\n"}),
	}
	m := &meter{Handler: f.handler}
	limits := DefaultLimits
	limits.Manners = Manners{} // no pauses
	clients := []struct {
		name string
		open func(b *testing.B) (read func(gitobj.ID))
	}{
		{"ours", func(b *testing.B) func(gitobj.ID) {
			server, source := serve(b, limits, m)
			return func(commit gitobj.ID) {
				if _, err := source.Snapshot(b.Context(), server.URL+"/repo", commit); err != nil {
					b.Fatal(err)
				}
			}
		}},
		{"restarted", func(b *testing.B) func(gitobj.ID) {
			limits := limits
			limits.Shelf = Shelf{Folder: b.TempDir(), Bytes: 1 << 30}
			server, _ := serve(b, limits, m)
			return func(commit gitobj.ID) {
				if _, err := sourceOf(b, limits, server).Snapshot(b.Context(), server.URL+"/repo", commit); err != nil {
					b.Fatal(err)
				}
			}
		}},
		{"git", func(b *testing.B) func(gitobj.ID) {
			server, _ := serve(b, limits, m)
			dir := b.TempDir()
			runGit(b, dir, "init", "-q", "--bare")
			return func(commit gitobj.ID) {
				runGit(b, dir, "-c", "gc.auto=0", "fetch", "-q", "--depth=1", "--filter=blob:none", server.URL+"/repo", commit.String())
				runGit(b, dir, "ls-tree", "-r", commit.String())
			}
		}},
	}
	for at, name := range []string{"first", "next"} {
		for _, client := range clients {
			b.Run(name+"/"+client.name, func(b *testing.B) {
				var bytes, requests int
				for b.Loop() {
					b.StopTimer()
					read := client.open(b)
					for _, known := range commits[:at] {
						read(known)
					}
					m.bytes, m.requests = 0, 0
					b.StartTimer()
					read(commits[at])
					bytes, requests = bytes+m.bytes, requests+m.requests
				}
				b.ReportMetric(float64(bytes)/1e3/float64(b.N), "kB/op")
				b.ReportMetric(float64(requests)/float64(b.N), "requests/op")
			})
		}
	}
}
