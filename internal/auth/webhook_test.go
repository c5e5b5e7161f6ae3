package auth

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

func parseSecret(t *testing.T, text string) WebhookSecret {
	t.Helper()
	secret, err := ParseWebhookSecret(text)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// The example of the specification.
func TestWebhookSpecification(t *testing.T) {
	secret := parseSecret(t, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	h := http.Header{}
	secret.Sign(h, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if got, want := h.Get("webhook-signature"), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
}

// The specification's own library accepts what we sign, and we what it signs.
func TestWebhookInterop(t *testing.T) {
	text, body, now := NewWebhookSecret(), []byte("{\"name\":\"sërde\"}\n"), time.Now()
	secret := parseSecret(t, text)
	theirs, err := standardwebhooks.NewWebhook(text)
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	secret.Sign(h, "msg_1", now, body)
	if err := theirs.Verify(body, h); err != nil {
		t.Errorf("their library refuses our signature: %v", err)
	}
	signature, err := theirs.Sign("msg_2", now, body)
	if err != nil {
		t.Fatal(err)
	}
	h = header("msg_2", fmt.Sprint(now.Unix()), signature)
	ours := &Webhook{Secrets: []WebhookSecret{secret}, Now: time.Now}
	if _, err := ours.Verify(h, body); err != nil {
		t.Errorf("we refuse their signature: %v", err)
	}
}

func header(id, timestamp, signature string) http.Header {
	h := http.Header{}
	h.Set("webhook-id", id)
	h.Set("webhook-timestamp", timestamp)
	h.Set("webhook-signature", signature)
	return h
}

func TestWebhookVerify(t *testing.T) {
	const body = `{"name":"serde"}`
	current, next, foreign := parseSecret(t, NewWebhookSecret()), parseSecret(t, NewWebhookSecret()), parseSecret(t, NewWebhookSecret())
	signed := func(s WebhookSecret, id string, at time.Time) http.Header {
		h := http.Header{}
		s.Sign(h, id, at, []byte(body))
		return h
	}
	good := signed(current, "msg_1", noon)
	set := func(name, value string) http.Header {
		h := good.Clone()
		h.Set(name, value)
		return h
	}
	signature := good.Get("webhook-signature")

	tests := []struct {
		name    string
		header  http.Header
		body    string
		want    error
		wantMsg string // held by the error
	}{
		{name: "good", header: good, body: body},
		{name: "by the other secret, while rotating", header: signed(next, "msg_1", noon), body: body},
		{name: "several signatures", header: set("webhook-signature", "v1a,AAAA v1,AAAA v1,!! "+signature), body: body},
		{name: "five minutes old", header: signed(current, "m", noon.Add(-5*time.Minute)), body: body},
		{name: "five minutes ahead", header: signed(current, "m", noon.Add(5*time.Minute)), body: body},
		{
			name: "older", header: signed(current, "m", noon.Add(-5*time.Minute-time.Second)), body: body,
			want: ErrClock, wantMsg: "webhook-timestamp is 301 seconds behind this server's clock, and 300 are tolerated",
		},
		{
			name: "further ahead", header: signed(current, "m", noon.Add(time.Hour)), body: body,
			want: ErrClock, wantMsg: "webhook-timestamp is 3600 seconds ahead of this server's clock",
		},
		{ // a Duration would overflow, and wrap into the tolerance
			name: "centuries ahead", header: signed(current, "m", time.Unix(1<<62, 0)), body: body, want: ErrClock, wantMsg: "ahead of",
		},
		{name: "by somebody else", header: signed(foreign, "msg_1", noon), body: body, want: ErrSignature},
		{name: "another body", header: good, body: body + " ", want: ErrSignature},
		{name: "another id", header: set("webhook-id", "msg_2"), body: body, want: ErrSignature},
		{name: "another time", header: set("webhook-timestamp", fmt.Sprint(noon.Unix()+1)), body: body, want: ErrSignature},
		{ // a stale message of somebody without a secret learns nothing of our clock
			name: "forged and old", header: signed(foreign, "m", noon.Add(-time.Hour)), body: body, want: ErrSignature,
		},
		{name: "no signature of our version", header: set("webhook-signature", strings.Replace(signature, "v1,", "v1a,", 1)), body: body, want: ErrUnsigned},
		{name: "no version", header: set("webhook-signature", signature[3:]), body: body, want: ErrUnsigned},
		{name: "too many signatures", header: set("webhook-signature", strings.Repeat("v1,AAAA ", 17)+signature), body: body, want: ErrUnsigned},
		{name: "no headers", header: http.Header{}, body: body, want: ErrUnsigned, wantMsg: "want one webhook-id header, and there are 0"},
		{ // two readers might each believe another one
			name: "two ids", header: http.Header{"Webhook-Id": {"a", "b"}}, body: body, want: ErrUnsigned, wantMsg: "there are 2",
		},
		{name: "empty id", header: set("webhook-id", ""), body: body, want: ErrUnsigned},
		{name: "long id", header: set("webhook-id", strings.Repeat("a", 257)), body: body, want: ErrUnsigned},
		{ // "a.1" at 2 and "a" at "1.2" sign the same bytes
			name: "full stop in the id", header: signed(current, "a.1", noon), body: body, want: ErrUnsigned, wantMsg: "no full stop",
		},
		{name: "not a number", header: set("webhook-timestamp", "yesterday"), body: body, want: ErrUnsigned, wantMsg: `"yesterday"`},
		{name: "written otherwise", header: set("webhook-timestamp", "+0"+fmt.Sprint(noon.Unix())), body: body, want: ErrUnsigned},
		{name: "negative", header: set("webhook-timestamp", "-1"), body: body, want: ErrUnsigned},
	}
	hook := &Webhook{Secrets: []WebhookSecret{current, next}, Now: func() time.Time { return noon }}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			message, err := hook.Verify(tt.header, []byte(tt.body))
			if !errors.Is(err, tt.want) {
				t.Fatalf("error %v, want %v", err, tt.want)
			}
			if err != nil {
				if !strings.Contains(err.Error(), tt.wantMsg) || message != (Message{}) {
					t.Errorf("message %+v, error %q, want no message and %q", message, err, tt.wantMsg)
				}
				return
			}
			if message.ID != tt.header.Get("webhook-id") || message.SentAt.IsZero() {
				t.Errorf("message %+v", message)
			}
		})
	}
}

func TestParseWebhookSecret(t *testing.T) {
	tests := []struct {
		text string
		want string // "" is accepted
	}{
		{NewWebhookSecret(), ""},
		{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", ""}, // 24 bytes
		{"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", `webhook secret not usable: it does not begin with "whsec_"`},
		{"whsec_aHVudGVyMg==", `webhook secret not usable: it holds 7 bytes: want 24 to 64`},
		{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", `webhook secret not usable: what follows "whsec_" is not base64`},
		{"", `webhook secret not usable: it does not begin with "whsec_"`},
	}
	for _, tt := range tests {
		secret, err := ParseWebhookSecret(tt.text)
		if tt.want == "" && err != nil || tt.want != "" && (!errors.Is(err, ErrSecret) || err.Error() != tt.want) {
			t.Errorf("ParseWebhookSecret(%q) = %v, want %q", tt.text, err, tt.want)
		}
		if err != nil {
			continue
		}
		for _, verb := range []string{"%v", "%s", "%+v", "%#v", "%q"} {
			if shown := fmt.Sprintf(verb, secret); !strings.Contains(shown, "(hidden)") {
				t.Errorf("%s shows %s", verb, shown)
			}
		}
	}
}
