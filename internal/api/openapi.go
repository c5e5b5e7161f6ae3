package api

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// The tags under which the document groups operations.
const (
	tagCrates  = "Crates and releases"
	tagChecks  = "Checks and check runs"
	tagPublish = "Bringing releases in"
	tagFence   = "The fence"
)

// The security schemes.
const (
	securityToken   = "token"
	securityWebhook = "webhook"
)

const introduction = `cratefence checks published versions of Rust crates and keeps what it found.

**Reading** is public and needs no token, but for decisions of policies that are open to some tokens alone, and for who fetched what. Answers carry a strong ETag: ask again with If-None-Match, and what has not changed is a 304. Pages of any site may read (CORS), without credentials.

**Names** are matched as the registry does, ignoring case and the difference of hyphens and underscores, and answered as they were first published.

**Errors** are problem+json (RFC 9457). Their instance, which is also the X-Request-Id header, finds the request in the server's log.

**Text** in answers may come from a crate, its manifest or its repository, which nobody vouches for: escape it, and sanitise Markdown, before showing it.

Fields may be added to answers at any time. Requests are read strictly: an unknown query parameter or body field is refused.`

func config() huma.Config {
	c := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "cratefence", Version: "1", Description: introduction,
				License: &huma.License{Name: "Apache-2.0 OR MIT", Identifier: "Apache-2.0 OR MIT"},
			},
			Servers: []*huma.Server{{URL: "/", Description: "This server"}},
			Tags: []*huma.Tag{
				{Name: tagCrates, Description: "What is known of crates and their published versions."},
				{Name: tagChecks, Description: "The questions asked of every release, and their answers."},
				{Name: tagPublish, Description: "How a version comes here: announced by its registry, or submitted."},
				{Name: tagFence, Description: "What policies make of releases, what people decided, and what happened to index lines."},
			},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					securityToken: {
						Type: "http", Scheme: "bearer",
						Description: "A token from `cratefence token create`, as `Authorization: Bearer TOKEN` or bare, as cargo sends it.",
					},
					securityWebhook: {
						Type: "apiKey", In: "header", Name: "Webhook-Signature",
						Description: "A Standard Webhooks signature with one of the server's webhook secrets, over Webhook-Id, Webhook-Timestamp and the body.",
					},
				},
			},
		},
		Formats: map[string]huma.Format{
			"application/json": {Marshal: encode, Unmarshal: json.Unmarshal},
			"json":             {Marshal: encode, Unmarshal: json.Unmarshal}, // for what follows the + of problem+json
		},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{finish},
	}
	c.AllowAdditionalPropertiesByDefault = true // in answers: fields may be added
	return c
}

// encode writes JSON. It leaves <, > and & as they are, since snippets are full
// of them and nothing served here is read as HTML.
func encode(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// describe adds what every operation answers besides its own.
func describe(routes huma.API, op *huma.Operation) {
	problem := routes.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "")
	content := map[string]*huma.MediaType{"application/problem+json": {Schema: problem}}
	op.Responses = map[string]*huma.Response{
		"default": {Description: "A problem: what is wrong, and what to do about it", Content: content},
	}
	if op.Method == "GET" {
		op.Responses["304"] = &huma.Response{Description: "Not changed since the ETag in If-None-Match"}
	}
}

// document returns the OpenAPI document, with what huma cannot know of it.
func document(routes huma.API) []byte {
	doc := routes.OpenAPI()
	schemas := doc.Components.Schemas

	announce := doc.Paths["/api/v1/webhooks/publish"].Post
	announce.RequestBody.Content["application/json"].Schema = schemas.Schema(reflect.TypeFor[PublishMessage](), true, "")
	for _, p := range announce.Parameters {
		p.Required = true
	}
	announce.Responses["200"] = also(announce.Responses["202"], "A repeat: what became of the first")
	announce.Responses["202"].Description = "Stored, to be fetched"

	submit := doc.Paths["/api/v1/crates/{name}/{version}"].Put
	submit.RequestBody.Content["application/gzip"] = submit.RequestBody.Content["application/octet-stream"]
	submit.Responses["200"] = also(submit.Responses["201"], "Known already, with the same bytes")
	submit.Responses["201"].Description = "Taken in; its checks are queued"

	expire := doc.Paths["/api/v1/exceptions/{id}/expire"].Post
	expire.Responses["200"].Description = "Ended"

	delete(schemas.Map(), "ErrorModel") // huma's own, which finish replaces

	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(doc); err != nil {
		panic(err) // a mistake in the program: the document has no input
	}
	return out.Bytes()
}

// also returns a response like another.
func also(r *huma.Response, description string) *huma.Response {
	return &huma.Response{Description: description, Headers: r.Headers, Content: r.Content}
}
