package htmlcheck

import (
	"bytes"
	"fmt"
	"io"

	"golang.org/x/net/html"
)

// void elements have no end.
var void = map[string]bool{
	"area": true, "base": true, "br": true, "col": true, "embed": true, "hr": true, "img": true, "input": true,
	"link": true, "meta": true, "source": true, "track": true, "wbr": true,
}

// maxUnbalanced is how many mistakes are told: one often causes the next.
const maxUnbalanced = 3

// balance finds tags that do not close what was opened last. Parsers repair these
// silently, and then the page is not what its template says.
func balance(body []byte) []string {
	var (
		problems []string
		open     []string
	)
	z := html.NewTokenizer(bytes.NewReader(body))
	for len(problems) < maxUnbalanced {
		kind := z.Next()
		if kind == html.ErrorToken {
			if z.Err() != io.EOF {
				problems = append(problems, fmt.Sprintf("tags: %v", z.Err()))
			}
			break
		}
		tag, _ := z.TagName()
		switch name := string(tag); kind {
		case html.StartTagToken:
			if !void[name] {
				open = append(open, name)
			}
		case html.EndTagToken:
			last := len(open) - 1
			if last < 0 || open[last] != name {
				problems = append(problems, fmt.Sprintf("tags: </%s> closes nothing; open are %v", name, open))
				continue
			}
			open = open[:last]
		}
	}
	if len(problems) == 0 && len(open) > 0 {
		problems = append(problems, fmt.Sprintf("tags: never closed: %v", open))
	}
	return problems
}
