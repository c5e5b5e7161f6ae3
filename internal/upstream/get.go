package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/cratefence/cratefence/internal/egress"
)

// get fetches a URL whose answer is 200 and at most limit bytes long.
func (c *Client) get(ctx context.Context, from string, limit int64) ([]byte, error) {
	resp, err := c.open(ctx, from)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return readAll(ctx, withoutQuery(from), resp.Body, resp.ContentLength, limit)
}

// open begins to fetch a URL whose answer is 200.
func (c *Client) open(ctx context.Context, from string) (*http.Response, error) {
	shown := withoutQuery(from)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, fmt.Errorf("fetch %q: %w", shown, ErrProtocol)
	}
	req.Header.Set("User-Agent", c.opts.UserAgent)
	// The bytes as they are kept: a checksum is of these, and a limit holds.
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, unanswered(ctx, shown, err)
	}
	if err := judge(resp); err != nil {
		resp.Body.Close()
		return nil, fmt.Errorf("fetch %q: %w", shown, err)
	}
	return resp, nil
}

// withoutQuery is how errors show a URL: a download's query may be a signature,
// and they are shown to everybody.
func withoutQuery(url string) string {
	shown, _, _ := strings.Cut(url, "?")
	return shown
}

// readAll reads a body of announced bytes, -1 when none were, and at most limit.
func readAll(ctx context.Context, shown string, body io.Reader, announced, limit int64) ([]byte, error) {
	if announced > limit {
		return nil, fmt.Errorf("fetch %q: %w: %d bytes announced, %d allowed", shown, ErrTooLarge, announced, limit)
	}
	// One byte more than allowed tells the too long from the just fitting.
	data, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		return nil, unanswered(ctx, shown, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("fetch %q: %w: more than %d bytes", shown, ErrTooLarge, limit)
	}
	return data, nil
}

// judge sorts answers by status. Only 200 carries what was asked for.
func judge(resp *http.Response) error {
	switch code := resp.StatusCode; {
	case code == http.StatusOK && encoded(resp):
		return fmt.Errorf("%w: encoded as %q unasked", ErrProtocol, resp.Header.Get("Content-Encoding"))
	case code == http.StatusOK:
		return nil
	case code == http.StatusNotFound, code == http.StatusGone, code == http.StatusUnavailableForLegalReasons,
		code == http.StatusUnauthorized, code == http.StatusForbidden:
		return fmt.Errorf("%w: answered %s", ErrNotFound, status(resp))
	case code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code >= 500:
		return fmt.Errorf("%w: answered %s", ErrUnreachable, status(resp))
	default:
		return fmt.Errorf("%w: answered %s, want 200", ErrProtocol, status(resp))
	}
}

func encoded(resp *http.Response) bool {
	encoding := resp.Header.Get("Content-Encoding")
	return encoding != "" && encoding != "identity"
}

// status is the status in our words: the server's may hold anything.
func status(resp *http.Response) string {
	return fmt.Sprintf("%d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
}

// unanswered says why an exchange broke off. What the egress rules ended is
// final; what the caller gave up is the caller's; the rest is worth another try.
func unanswered(ctx context.Context, shown string, err error) error {
	// url.Error repeats the method and the URL.
	if inner, ok := errors.AsType[*url.Error](err); ok {
		err = inner.Err
	}
	switch refused := (*egress.Refused)(nil); {
	case errors.Is(err, egress.ErrTooLarge):
		return fmt.Errorf("fetch %q: %w: %w", shown, ErrTooLarge, err)
	case errors.As(err, &refused) && refused.URL == shown: // it says so itself
		return err
	case errors.Is(err, egress.ErrRefused), errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("fetch %q: %w", shown, err)
	default:
		return fmt.Errorf("fetch %q: %w: %w", shown, ErrUnreachable, placeless{err})
	}
}

// placeless is an error whose text tells neither which resolver was asked nor
// which address was dialed: that is for nobody outside to know.
type placeless struct{ error }

func (e placeless) Unwrap() error { return e.error }

func (e placeless) Error() string {
	if dns, ok := errors.AsType[*net.DNSError](e.error); ok {
		return fmt.Sprintf("look up %q: %s", dns.Name, dns.Err)
	}
	if op, ok := errors.AsType[*net.OpError](e.error); ok {
		return op.Op + ": " + placeless{op.Err}.Error()
	}
	return e.error.Error()
}
