package main

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// progress is one line that says what is going on, on a terminal only.
type progress struct{ out io.Writer }

func newProgress(out io.Writer) *progress {
	if file, ok := out.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		return &progress{out}
	}
	return &progress{io.Discard}
}

func (p *progress) say(text string) { fmt.Fprintf(p.out, "\r\x1b[K%s", printable(text)) }

func (p *progress) clear() { fmt.Fprint(p.out, "\r\x1b[K") }
