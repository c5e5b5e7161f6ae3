package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/cratefence/cratefence/internal/index"
)

// probeTime is how long the fence may take to answer.
const probeTime = 10 * time.Second

// askFence fetches a policy's config.json as cargo will, and says whether a token
// is needed. A token in CARGO_REGISTRIES_FENCE_TOKEN is tried, as cargo would.
func askFence(ctx context.Context, base *url.URL, policy string, wanted bool) (token bool, err error) {
	at := base.JoinPath("p", policy, "index", index.ConfigPath).String()
	client, err := newServiceClient(base, probeTime)
	if err != nil {
		return false, err
	}
	status, body, err := fetchConfig(ctx, client, at, "")
	if err != nil {
		return false, fmt.Errorf("ask the fence: %w; %s (--offline does not ask)", err, unreachable(err))
	}
	if status == http.StatusUnauthorized {
		secret := os.Getenv("CARGO_REGISTRIES_FENCE_TOKEN")
		if secret == "" {
			return true, nil // which is an answer of a fence
		}
		wanted = true
		if status, body, err = fetchConfig(ctx, client, at, secret); err != nil {
			return false, fmt.Errorf("ask the fence: %w", err)
		}
	}
	if status != http.StatusOK {
		return false, fmt.Errorf("ask the fence: %s answered %d: %s", at, status, printable(strings.TrimSpace(string(body[:min(len(body), 300)]))))
	}
	config, err := index.ParseConfig(body)
	if err != nil {
		return false, fmt.Errorf("ask the fence: %s is not a fence's: %w", at, err)
	}
	return wanted || config.AuthRequired, nil
}

// unreachable says what to look at when there is no answer. Cargo trusts other
// authorities than this program does, so that each has to be told.
func unreachable(err error) string {
	var distrusted *tls.CertificateVerificationError
	if errors.As(err, &distrusted) {
		return "name the authority's certificate, a PEM file, in SSL_CERT_FILE for this command, and in http.cainfo for cargo"
	}
	return "is it running?"
}

func fetchConfig(ctx context.Context, client *http.Client, at, secret string) (status int, body []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return 0, nil, err
	}
	if secret != "" {
		req.Header.Set("Authorization", secret)
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, index.MaxConfig+1))
	return resp.StatusCode, body, err
}
