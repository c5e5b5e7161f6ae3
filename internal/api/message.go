package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
	"unicode/utf8"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/store"
)

// A PublishMessage is the body of the publish webhook. It documents what
// parseMessage reads.
type PublishMessage struct {
	_ struct{} `additionalProperties:"false"`

	Name        string    `json:"name" maxLength:"64" doc:"The crate's name." example:"serde"`
	Version     string    `json:"version" doc:"A SemVer version, in full." example:"1.0.219"`
	Checksum    string    `json:"checksum" pattern:"^[0-9a-f]{64}$" doc:"SHA-256 of the .crate file, as the index states it." example:"5f0e2c6ed6606019b4e29e69dbaba95b11854410e5347d525002456dbbb786b6"`
	DownloadURL string    `json:"download_url,omitempty" format:"uri" maxLength:"2048" doc:"Where to fetch the .crate file. Absent: from the registry that this server is configured for." example:"https://static.crates.io/crates/serde/serde-1.0.219.crate"`
	Publisher   string    `json:"publisher,omitempty" maxLength:"200" doc:"The account or trusted-publishing identity that published it." example:"github:rust-lang"`
	PublishedAt time.Time `json:"published_at,omitzero" doc:"When it was published."`
}

const maxDownloadURL = 2048

// parseMessage reads a publish message. What is not JSON is a 400; JSON that is
// not a publish message is a 422 that names every field at fault.
func parseMessage(data []byte) (store.Announcement, error) {
	var a store.Announcement
	seen := map[string]bool{}
	mistakes, err := eachMember(data, func(key string, value any) error {
		if seen[key] {
			return errors.New("is there twice")
		}
		seen[key] = true
		text, ok := value.(string)
		if !ok {
			return errors.New("want a string; leave out what is not known")
		}
		return set(&a, key, text)
	})
	if err != nil {
		return store.Announcement{}, newProblem(http.StatusBadRequest, "The body is not one JSON object: %s.", err)
	}
	for _, required := range []string{"name", "version", "checksum"} {
		if !seen[required] {
			mistakes = append(mistakes, Mistake{"body." + required, "is missing"})
		}
	}
	if len(mistakes) > 0 {
		return store.Announcement{}, mistaken(mistakes...)
	}
	return a, nil
}

// set puts a field of a message into its announcement.
func set(a *store.Announcement, key, text string) (err error) {
	switch key {
	case "name":
		a.Crate, err = text, crate.ValidateName(text)
	case "version":
		a.Version = text
		_, err = crate.ParseVersion(text)
	case "checksum":
		a.Checksum, err = crate.ParseChecksum(text)
	case "download_url":
		a.DownloadURL, err = text, validateDownloadURL(text)
	case "publisher":
		a.Publisher = text
		if !plainText(text) || utf8.RuneCountInString(text) > maxPublisher {
			err = fmt.Errorf("want at most %d characters, none of them control characters", maxPublisher)
		}
	case "published_at":
		a.PublishedAt, err = parsePublished(text)
	default:
		err = errors.New("is not a field of this message")
	}
	return err
}

func parsePublished(text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, errors.New(`want a time as in "2026-01-01T12:00:00Z" (RFC 3339)`)
	}
	if !plausible(t) {
		return time.Time{}, errors.New(implausible)
	}
	return t.UTC(), nil
}

const implausible = "want a time between the years 2000 and 3000"

// plausible keeps times out that a database or a later JSON document would
// stumble over. A claim within them is kept as it is.
func plausible(t time.Time) bool { return t.UTC().Year() >= 2000 && t.UTC().Year() < 3000 }

// validateDownloadURL refuses what could never be fetched. Whether an address may
// be reached is decided when it is.
func validateDownloadURL(text string) error {
	if len(text) > maxDownloadURL || !plainText(text) {
		return fmt.Errorf("want a URL of at most %d bytes", maxDownloadURL)
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return errors.New("want a URL")
	case u.Scheme != "https" && u.Scheme != "http", u.Hostname() == "":
		return errors.New("want an absolute http or https URL")
	case u.User != nil:
		return errors.New("want a URL without user name and password")
	case u.Fragment != "":
		return errors.New("want a URL without a fragment")
	}
	return nil
}

// eachMember reads one JSON object, flat, in its order. What member refuses is
// noted under its key; an error says why data is not one JSON object. Unlike
// json.Unmarshal it lets nothing pass unseen: no key twice, no key in other
// case, no invalid UTF-8, nothing after the object.
func eachMember(data []byte, member func(key string, value any) error) (mistakes []Mistake, _ error) {
	if !utf8.Valid(data) {
		return nil, errors.New("it is not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil, errors.New("it does not begin with {")
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		var value any
		if err := dec.Decode(&value); err != nil {
			return nil, err
		}
		if err := member(key.(string), value); err != nil { // a key is a string, or Token has refused it
			mistakes = append(mistakes, Mistake{"body." + shorten(key.(string)), err.Error()})
		}
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("something follows it")
	}
	return mistakes, nil
}

func shorten(key string) string {
	const most = 40
	if utf8.RuneCountInString(key) <= most {
		return key
	}
	return string([]rune(key)[:most]) + "…"
}
