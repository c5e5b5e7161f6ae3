package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cratefence/cratefence/internal/crate"
)

// submitCmd is `cratefence submit`.
type submitCmd struct {
	File      string        `arg:"" type:"existingfile" help:"The .crate file, named NAME-VERSION.crate."`
	Server    string        `default:"http://127.0.0.1:8080" env:"CRATEFENCE_SERVER" placeholder:"URL" help:"The running service (${default})."`
	TokenFile string        `required:"" env:"CRATEFENCE_TOKEN_FILE" placeholder:"FILE" help:"File that holds a token with the scope publish."`
	Name      string        `help:"The crate's name, where the file's name does not say it."`
	Vers      string        `name:"crate-version" placeholder:"VERSION" help:"The version, where the file's name does not say it."`
	Publisher string        `help:"Who published it, as far as known."`
	Timeout   time.Duration `default:"2m" help:"How long the service may take (${default})."`
	JSON      bool          `name:"json" help:"Print the service's answer as it is."`
}

func (submitCmd) Help() string {
	return `Make a token first, on the machine that runs the service:
  cratefence token create --scope publish ci > token

Examples:
  cratefence submit --token-file token target/package/itoa-1.0.15.crate
  cratefence submit --token-file token --server https://fence.example a.crate

Submitting the same bytes twice does no harm. Other bytes under a known name and
version are kept as an incident and refused (exit 2).`
}

func (c *submitCmd) Run(ctx context.Context, t *terminal) error {
	name, vers := c.Name, c.Vers
	if name == "" || vers == "" {
		n, v, err := crate.SplitFileName(filepath.Base(c.File))
		if err != nil {
			return fmt.Errorf("%w; say --name and --crate-version", err)
		}
		name, vers = orElse(name, n), orElse(vers, v)
	}
	data, err := os.ReadFile(c.File)
	if err != nil {
		return err
	}
	secret, err := readSecret(c.TokenFile)
	if err != nil {
		return err
	}
	target, err := url.Parse(c.Server)
	if err != nil {
		return fmt.Errorf("--server %q: %w", c.Server, err)
	}
	client, err := newServiceClient(target, c.Timeout)
	if err != nil {
		return err
	}
	target = target.JoinPath("api", "v1", "crates", name, vers)
	if c.Publisher != "" {
		target.RawQuery = url.Values{"publisher": {c.Publisher}}.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, target.String(), bytes.NewReader(data))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+secret)
	req.Header.Set("Content-Type", "application/octet-stream")
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("submit to %s: %w; is the service running?", c.Server, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("read answer of %s: %w", c.Server, err)
	}
	if c.JSON {
		fmt.Fprintf(t.out, "%s\n", bytes.TrimSpace(body))
	}
	switch resp.StatusCode {
	case http.StatusCreated, http.StatusOK:
		if c.JSON {
			return nil
		}
		what := "taken in; its checks are queued"
		if resp.StatusCode == http.StatusOK {
			what = "known already, with the same bytes"
		}
		page, err := url.Parse(c.Server)
		if err != nil {
			return err
		}
		fmt.Fprintf(t.out, "%s %s is %s.\n%s\n", name, vers, what, page.JoinPath("crates", name, vers, "security"))
		return nil
	default:
		return fmt.Errorf("%s answered %s: %s", c.Server, resp.Status, problemText(body))
	}
}

// problemText is what a problem+json body says, or the body's start.
func problemText(body []byte) string {
	var problem struct {
		Title, Detail string
		Errors        []struct{ Message, Location string }
	}
	if json.Unmarshal(body, &problem) != nil || problem.Title+problem.Detail == "" {
		return printable(string(body[:min(len(body), 300)]))
	}
	text := orElse(problem.Detail, problem.Title)
	for _, e := range problem.Errors {
		text += fmt.Sprintf("; %s %s", e.Location, e.Message)
	}
	return printable(text)
}

// readSecret reads a secret from a file, without the line end.
func readSecret(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	secret := strings.TrimSpace(string(data))
	if secret == "" {
		return "", errors.New(path + " is empty")
	}
	return secret, nil
}

func orElse(s, fallback string) string {
	if s != "" {
		return s
	}
	return fallback
}
