package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The headers of a signed message, by the Standard Webhooks specification
// (github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md).
const (
	HeaderWebhookID        = "Webhook-Id"
	HeaderWebhookTimestamp = "Webhook-Timestamp"
	HeaderWebhookSignature = "Webhook-Signature"
)

// Why a message is refused.
var (
	ErrUnsigned  = errors.New("message not signed")         // a header is missing, doubled or malformed
	ErrSignature = errors.New("signature does not match")   // none of the signatures is by one of our secrets
	ErrClock     = errors.New("timestamp out of tolerance") // well signed, and too old or too new
)

// ErrSecret wraps why a secret cannot be used.
var ErrSecret = errors.New("webhook secret not usable")

// DefaultTolerance is how far a message's timestamp may be from our clock.
const DefaultTolerance = 5 * time.Minute

const (
	webhookSecretPrefix = "whsec_"
	maxSignatures       = 16
	maxMessageID        = 256
)

// A WebhookSecret signs messages and verifies their signatures.
type WebhookSecret struct{ key []byte }

// NewWebhookSecret makes a secret of 32 random bytes, as the text that
// ParseWebhookSecret reads.
func NewWebhookSecret() string {
	var key [32]byte
	rand.Read(key[:]) // never fails: see crypto/rand
	return webhookSecretPrefix + base64.StdEncoding.EncodeToString(key[:])
}

// ParseWebhookSecret reads "whsec_" and 24 to 64 bytes in base64. The error
// wraps ErrSecret and does not quote the secret.
func ParseWebhookSecret(text string) (WebhookSecret, error) {
	encoded, found := strings.CutPrefix(text, webhookSecretPrefix)
	if !found {
		return WebhookSecret{}, fmt.Errorf("%w: it does not begin with %q", ErrSecret, webhookSecretPrefix)
	}
	key, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return WebhookSecret{}, fmt.Errorf("%w: what follows %q is not base64", ErrSecret, webhookSecretPrefix)
	}
	if len(key) < 24 || len(key) > 64 {
		return WebhookSecret{}, fmt.Errorf("%w: it holds %d bytes: want 24 to 64", ErrSecret, len(key))
	}
	return WebhookSecret{key: key}, nil
}

// String hides the secret from logs and formatted errors.
func (s WebhookSecret) String() string { return webhookSecretPrefix + "(hidden)" }

// GoString hides the secret from %#v.
func (s WebhookSecret) GoString() string { return s.String() }

// Sign sets the three headers of a message in h.
func (s WebhookSecret) Sign(h http.Header, id string, at time.Time, body []byte) {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	h.Set(HeaderWebhookID, id)
	h.Set(HeaderWebhookTimestamp, timestamp)
	h.Set(HeaderWebhookSignature, "v1,"+base64.StdEncoding.EncodeToString(s.mac(id, timestamp, body)))
}

func (s WebhookSecret) mac(id, timestamp string, body []byte) []byte {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	return mac.Sum(nil)
}

// A Webhook verifies messages to one receiver.
//
// It is our own rather than the specification's Go library, against which the
// tests hold it: that knows one secret, so none can be rotated, takes one of any
// length, reads the clock itself and cannot say by how much a sender's is wrong.
type Webhook struct {
	Secrets   []WebhookSecret // any of them; more than one while rotating
	Tolerance time.Duration   // 0 is DefaultTolerance
	Now       func() time.Time
}

// A Message is what the headers of a verified message say.
type Message struct {
	ID     string // the sender's; a repeat has the same
	SentAt time.Time
}

// Verify checks the headers of a message against its raw body. The error wraps
// one of ErrUnsigned, ErrSignature and ErrClock, and may be told to anybody.
func (w *Webhook) Verify(h http.Header, body []byte) (Message, error) {
	id, err := single(h, HeaderWebhookID)
	if err != nil {
		return Message{}, err
	}
	timestamp, err := single(h, HeaderWebhookTimestamp)
	if err != nil {
		return Message{}, err
	}
	signatures, err := single(h, HeaderWebhookSignature)
	if err != nil {
		return Message{}, err
	}
	if !validMessageID(id) {
		return Message{}, fmt.Errorf("%w: webhook-id %.300q: want 1 to %d visible ASCII characters and no full stop", ErrUnsigned, id, maxMessageID)
	}
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || strconv.FormatInt(seconds, 10) != timestamp || seconds < 0 {
		return Message{}, fmt.Errorf("%w: webhook-timestamp %.50q: want seconds since 1970", ErrUnsigned, timestamp)
	}
	if err := w.verifySignatures(signatures, id, timestamp, body); err != nil {
		return Message{}, err
	}
	// Last, so that a wrong clock is only diagnosed for those who hold a secret.
	sent := time.Unix(seconds, 0).UTC()
	if err := w.verifyClock(sent); err != nil {
		return Message{}, err
	}
	return Message{ID: id, SentAt: sent}, nil
}

func single(h http.Header, name string) (string, error) {
	values := h.Values(name)
	if len(values) != 1 {
		return "", fmt.Errorf("%w: want one %s header, and there are %d", ErrUnsigned, strings.ToLower(name), len(values))
	}
	return values[0], nil
}

// validMessageID refuses a full stop because it separates what is signed: the
// same bytes could else be another id with another timestamp.
func validMessageID(id string) bool {
	if id == "" || len(id) > maxMessageID {
		return false
	}
	return !strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' || r == '.' })
}

func (w *Webhook) verifySignatures(list, id, timestamp string, body []byte) error {
	signatures := strings.Fields(list)
	if len(signatures) > maxSignatures {
		return fmt.Errorf("%w: %d signatures: want %d at most", ErrUnsigned, len(signatures), maxSignatures)
	}
	symmetric := 0
	for _, signature := range signatures {
		// Other versions are for other keys (v1a is ed25519): passed over, not refused.
		encoded, ok := strings.CutPrefix(signature, "v1,")
		if !ok {
			continue
		}
		symmetric++
		given, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			continue
		}
		for _, secret := range w.Secrets {
			if hmac.Equal(given, secret.mac(id, timestamp, body)) {
				return nil
			}
		}
	}
	if symmetric == 0 {
		return fmt.Errorf("%w: webhook-signature holds no signature that begins with \"v1,\"", ErrUnsigned)
	}
	return fmt.Errorf("%w: sign \"ID.TIMESTAMP.BODY\", the body as it is sent, by HMAC-SHA256 with the secret of this server", ErrSignature)
}

func (w *Webhook) verifyClock(sent time.Time) error {
	tolerance := w.Tolerance
	if tolerance == 0 {
		tolerance = DefaultTolerance
	}
	// In seconds: a difference of centuries would overflow a Duration.
	now := w.Now().Unix()
	difference, side := now-sent.Unix(), "behind"
	if difference < 0 {
		difference, side = -difference, "ahead of"
	}
	if difference <= int64(tolerance/time.Second) {
		return nil
	}
	return fmt.Errorf("%w: webhook-timestamp is %d seconds %s this server's clock, and %d are tolerated: set the clock, or sign again when sending again",
		ErrClock, difference, side, int64(tolerance/time.Second))
}
