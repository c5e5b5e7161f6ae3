package egress

import (
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseException(t *testing.T) {
	tests := []struct {
		in   string
		want Exception
	}{
		{"git=forge.example", Exception{Purpose: Git, Host: "forge.example"}},
		{"git=forge.example:3000/team/*", Exception{Purpose: Git, Host: "forge.example:3000", PathPattern: "team/*"}},
		{"upstream=127.0.0.1:8080", Exception{Purpose: Upstream, Host: "127.0.0.1:8080"}},
		{"webhook=[::1]:8080", Exception{Purpose: Webhook, Host: "[::1]:8080"}},
	}
	for _, test := range tests {
		got, err := ParseException(test.in)
		if err != nil {
			t.Errorf("ParseException(%q): %v", test.in, err)
			continue
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("ParseException(%q) (-want +got):\n%s", test.in, diff)
		}
		if got.String() != test.in {
			t.Errorf("ParseException(%q).String() = %q", test.in, got.String())
		}
	}
}

func TestParseExceptionRefuses(t *testing.T) {
	for _, in := range []string{
		"", "git", "git=", "=host", "ftp=host", "git=:80", "git=host:", "git=host:0", "git=host:http", "git=host:99999",
		"git=user@host", "git=*.example", "git=host/[", "git=host/a//b", "git=host/../b", "git=::1",
	} {
		if x, err := ParseException(in); err == nil {
			t.Errorf("ParseException(%q) = %+v, want an error", in, x)
		}
	}
}

func TestAllows(t *testing.T) {
	e, err := New(Config{Exceptions: []Exception{
		{Purpose: Git, Host: "forge.example:3000", PathPattern: "team/*"},
		{Purpose: Git, Host: "any.example"},
		{Purpose: Upstream, Host: "default.example:443"},
		{Purpose: Webhook, Host: "[::1]:9"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		purpose Purpose
		url     string
		want    bool
	}{
		{Git, "http://forge.example:3000/team/repo", true},
		{Git, "http://FORGE.example:3000/team/repo/info/refs?service=git-upload-pack", true},
		{Git, "http://forge.example:3000/team", false},
		{Git, "http://forge.example:3000/other/repo", false},
		{Git, "http://forge.example:3000/team/../other/repo", false},
		{Git, "http://forge.example:3000/team/%2e%2e/other", false},
		{Git, "http://forge.example:3000/team%2frepo", false},
		{Git, "http://forge.example:3000/team/%252e%252e/other", false}, // decoded twice by some
		{Git, `http://forge.example:3000/team/..\other`, false},
		{Git, "http://forge.example:3000//team/repo", false},
		{Git, "http://forge.example:3001/team/repo", false},
		{Git, "http://forge.example/team/repo", false},
		{Git, "http://user@forge.example:3000/team/repo", false},
		{Upstream, "http://forge.example:3000/team/repo", false}, // another purpose
		{Git, "ftp://any.example/", false},
		{Git, "https://any.example:1/x", true},
		{Git, "https://sub.any.example/x", false},
		{Upstream, "https://default.example/x", true},
		{Upstream, "http://default.example/x", false}, // port 80
		{Webhook, "http://[::1]:9/", true},
	}
	for _, test := range tests {
		u, err := url.Parse(test.url)
		if err != nil {
			t.Fatal(err)
		}
		if got := e.Allows(test.purpose, u); got != test.want {
			t.Errorf("Allows(%s, %s) = %v, want %v", test.purpose, test.url, got, test.want)
		}
	}
}

// A pattern that names one repository also holds for its URL with ".git".
func TestAllowsSuffix(t *testing.T) {
	e, err := New(Config{Exceptions: []Exception{{Purpose: Git, Host: "forge.example", PathPattern: "/team/repo"}}})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		"/team/repo":               true,
		"/team/repo.git/info/refs": true,
		"/team.git/repo":           false,
		"/team/repository":         false,
	} {
		if got := e.Allows(Git, &url.URL{Scheme: "http", Host: "forge.example", Path: path}); got != want {
			t.Errorf("Allows(%s) = %v, want %v", path, got, want)
		}
	}
}
