package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cratefence/cratefence/internal/auth"
)

// webhookSecrets reads the configured secrets, or the one in the data folder,
// which it makes on first start.
func webhookSecrets(cfg Config) ([]auth.WebhookSecret, error) {
	files := cfg.Webhook.SecretFiles
	if len(files) == 0 {
		own := cfg.inData("webhook.secret")
		if err := makeSecret(own); err != nil {
			return nil, err
		}
		files = []string{own}
	}
	var secrets []auth.WebhookSecret
	for _, file := range files {
		text, err := readSecret(file)
		if err != nil {
			return nil, fmt.Errorf("read webhook secret: %w", err)
		}
		secret, err := auth.ParseWebhookSecret(text)
		if err != nil {
			return nil, fmt.Errorf("read webhook secret %q: %w", file, err)
		}
		secrets = append(secrets, secret)
	}
	return secrets, nil
}

// codeKey is what the codes in the addresses of decisions are made with. Servers
// on one folder share it, so that each knows the other's.
func codeKey(cfg Config) ([]byte, error) {
	path := cfg.inData("codes.secret")
	if err := makeSecret(path); err != nil {
		return nil, err
	}
	text, err := readSecret(path)
	return []byte(text), err
}

// makeSecret writes a new secret unless the file is there. Two servers on one
// folder that start together agree: one of them makes it.
func makeSecret(path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".new.secret-*") // mode 0600
	if err != nil {
		return fmt.Errorf("make secret: %w", err)
	}
	defer os.Remove(temp.Name())
	_, err = temp.WriteString(auth.NewWebhookSecret() + "\n")
	if err = errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return fmt.Errorf("make secret: %w", err)
	}
	if err := os.Link(temp.Name(), path); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("make secret: %w", err)
	}
	return nil
}
