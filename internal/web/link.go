package web

import (
	"net/url"
	"strings"

	"golang.org/x/net/idna"
)

// A link is an address that a crate states. It is a link for the reader when it
// leads to the web, and its text then begins with the host it leads to;
// otherwise URL is empty and the text is what the crate states.
type link struct {
	URL  string
	Text string
}

// linkTo reads what a crate states as an address. A user name before the host
// could look like one, so that such an address is not linked.
func linkTo(stated string) link {
	stated = clip(strings.TrimSpace(stated), maxURL)
	u, err := url.Parse(stated)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil {
		return link{Text: stated}
	}
	u.Host, err = idna.ToASCII(u.Host)
	if err != nil {
		return link{Text: stated}
	}
	return link{URL: u.String(), Text: u.Host + strings.TrimSuffix(u.Path, "/")}
}
