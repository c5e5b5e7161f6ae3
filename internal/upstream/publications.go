package upstream

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/cratefence/cratefence/internal/crate"
)

// maxPublications bounds the answer to Publications: a crate of 500 versions has
// about 2 MB, most of it not read here.
const maxPublications = 32 << 20

// A Publication is what a registry's web API tells of how a version was published.
type Publication struct {
	Version     string
	Checksum    crate.Checksum
	PublishedAt time.Time
	// Publisher is the account that published; "" where a trusted-publishing
	// identity did, or the registry does not tell.
	Publisher string
	// Trusted is the trusted-publishing identity, nil for none.
	Trusted *TrustedPublishing
}

// TrustedPublishing names the run of a forge's CI that published a version.
type TrustedPublishing struct {
	Provider   string // "github", "gitlab"
	Repository string // "owner/name"
	Commit     string // that the run was on; hex
}

// Publications asks the registry's web API who published each version of a
// crate, in the API's order. It wraps ErrNotFound where the registry has no API
// or no such crate. The shape is crates.io's
// (https://crates.io/data-access, GET /api/v1/crates/NAME/versions).
func (c *Client) Publications(ctx context.Context, name string) ([]Publication, error) {
	if err := crate.ValidateName(name); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	config, err := c.Config(ctx)
	if err != nil {
		return nil, err
	}
	if config.API == "" {
		return nil, fmt.Errorf("ask who published %q: %w: the registry has no web API", name, ErrNotFound)
	}
	data, err := c.get(ctx, strings.TrimSuffix(config.API, "/")+"/api/v1/crates/"+name+"/versions", maxPublications)
	if err != nil {
		return nil, err
	}
	publications, err := parsePublications(data)
	if err != nil {
		return nil, fmt.Errorf("ask who published %q: %w: %w", name, ErrProtocol, err)
	}
	return publications, nil
}

func parsePublications(data []byte) ([]Publication, error) {
	var answer struct {
		Versions []struct {
			Num         string    `json:"num"`
			Checksum    string    `json:"checksum"`
			CreatedAt   time.Time `json:"created_at"`
			PublishedBy *struct {
				Login string `json:"login"`
			} `json:"published_by"`
			Trustpub *struct {
				Provider   string `json:"provider"`
				Repository string `json:"repository"`
				Project    string `json:"project_path"` // GitLab's word
				SHA        string `json:"sha"`
			} `json:"trustpub_data"`
		} `json:"versions"`
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return nil, err
	}
	var publications []Publication
	for _, v := range answer.Versions {
		if _, err := crate.ParseVersion(v.Num); err != nil {
			return nil, err
		}
		sum, err := crate.ParseChecksum(v.Checksum)
		if err != nil {
			return nil, err
		}
		p := Publication{Version: v.Num, Checksum: sum, PublishedAt: v.CreatedAt.UTC()}
		if v.PublishedBy != nil {
			p.Publisher = account(v.PublishedBy.Login)
		}
		if v.Trustpub != nil {
			p.Trusted = &TrustedPublishing{
				Provider:   account(v.Trustpub.Provider),
				Repository: account(v.Trustpub.Repository + v.Trustpub.Project),
				Commit:     account(v.Trustpub.SHA),
			}
		}
		publications = append(publications, p)
	}
	return publications, nil
}

// account returns a name as the registry gives it, or "" when it is no such
// name: unknown rather than strange.
func account(s string) string {
	const longest = 200
	strange := func(r rune) bool {
		return r != '-' && r != '_' && r != '.' && r != '/' && r != '[' && r != ']' &&
			(r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}
	if len(s) > longest || strings.ContainsFunc(s, strange) {
		return ""
	}
	return s
}
