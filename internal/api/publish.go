package api

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/cratefence/cratefence/internal/auth"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/store"
)

// maxMessage bounds the body of the publish webhook.
const maxMessage = 64 << 10

// How long a body may take to arrive.
const (
	messageTime = 15 * time.Second
	crateTime   = 5 * time.Minute
)

// A submitted crate is in memory until it is stored, so only so many are taken
// at once; the next waits for a while.
const (
	maxSubmits = 4
	submitWait = 10 * time.Second
)

// maxPublisher bounds the name of a publisher.
const maxPublisher = 200

// An Announcement is somebody's word that a version was published. Where it was
// to be fetched is not repeated: such a URL may hold a key.
type Announcement struct {
	ID          int64     `json:"id" example:"815"`
	Status      string    `json:"status" enum:"received,stored,refused" doc:"received: to be fetched. stored: its release is known. refused: it never will be."`
	Reason      string    `json:"reason,omitempty" doc:"Why it was refused, or what the last try ran into."`
	Via         string    `json:"via" example:"webhook"`
	Name        string    `json:"name" example:"serde"`
	Version     string    `json:"version" example:"1.0.219"`
	Checksum    string    `json:"checksum" doc:"SHA-256 of the .crate file, as announced."`
	Publisher   string    `json:"publisher,omitempty"`
	PublishedAt time.Time `json:"published_at,omitzero"`
	ReceivedAt  time.Time `json:"received_at"`
	FinishedAt  time.Time `json:"finished_at,omitzero"`
	URL         string    `json:"url" format:"uri-reference" example:"/api/v1/announcements/815"`
	ReleaseURL  string    `json:"release_url" format:"uri-reference" doc:"Where the release is read once it is stored." example:"/api/v1/crates/serde/1.0.219"`
}

// An AnnouncementDocument is an announcement.
type AnnouncementDocument struct {
	Announcement Announcement `json:"announcement"`
}

func (s *server) publishRoutes(routes huma.API) {
	register(s, routes, huma.Operation{
		OperationID: "get-announcement", Method: http.MethodGet, Path: "/api/v1/announcements/{id}", Tags: []string{tagPublish},
		Summary: "Read an announcement", Description: "What became of a publish webhook.",
	}, s.getAnnouncement)
	register(s, routes, huma.Operation{
		OperationID: "announce-release", Method: http.MethodPost, Path: "/api/v1/webhooks/publish", Tags: []string{tagPublish},
		Summary: "Announce a release: the publish webhook",
		Description: "A registry says that a version was published, in a message signed by the " +
			"[Standard Webhooks](https://www.standardwebhooks.com/) specification. " +
			"The message is stored before this answers; the bytes are fetched later, and must have the announced checksum. " +
			"A repeat, by its webhook-id, answers 200 with the first one, so that sending again is always safe.",
		DefaultStatus: http.StatusAccepted, SkipValidateBody: true, SkipValidateParams: true,
		MaxBodyBytes:    maxMessage + 1, // huma refuses the number itself
		BodyReadTimeout: messageTime, Middlewares: huma.Middlewares{s.expectMessage},
		Security: []map[string][]string{{securityWebhook: {}}},
	}, s.announce)
	register(s, routes, huma.Operation{
		OperationID: "submit-release", Method: http.MethodPut, Path: "/api/v1/crates/{name}/{version}", Tags: []string{tagPublish},
		Summary: "Submit a release",
		Description: "The body is the .crate file. Known bytes answer 200 and change nothing, new ones 201. " +
			"Other bytes under a known name and version answer 409; they are kept as an incident and never take the first ones' place.",
		DefaultStatus: http.StatusCreated, MaxBodyBytes: s.MaxCrate + 1,
		BodyReadTimeout: crateTime, Middlewares: huma.Middlewares{s.expectCrate},
		Security: []map[string][]string{{securityToken: {auth.ScopePublish}}},
	}, s.submit)
}

// expectMessage refuses, before a body is read, what cannot be a publish webhook.
func (s *server) expectMessage(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	if s.Webhook == nil || len(s.Webhook.Secrets) == 0 {
		newProblem(http.StatusNotImplemented, "This server takes no publish webhook: its configuration names no signing secret (webhook.secret_files).").write(w, r)
		return
	}
	if p := expectBody(r, maxMessage, "application/json"); p != nil {
		p.write(w, r)
		return
	}
	next(ctx)
}

// expectCrate refuses, before a body is read, who may not submit and what cannot
// be a crate.
func (s *server) expectCrate(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	if _, err := auth.Require(r.Context(), auth.ScopePublish); err != nil {
		s.problem(r.Context(), err).write(w, r)
		return
	}
	if p := expectBody(r, s.MaxCrate, "application/gzip", "application/x-gzip", "application/octet-stream"); p != nil {
		p.write(w, r)
		return
	}
	wait, cancel := context.WithTimeout(r.Context(), submitWait)
	defer cancel()
	select {
	case s.submits <- struct{}{}:
		defer func() { <-s.submits }()
	case <-wait.Done():
		p := newProblem(http.StatusServiceUnavailable, "The server is busy with %d other submissions. Try again in a moment.", maxSubmits)
		p.header.Set("Retry-After", "10")
		p.write(w, r)
		return
	}
	// A server's own deadlines are for requests without such bodies. Where there
	// are none to set, none cut this short either.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(crateTime + timeLimit))
	next(ctx)
}

func expectBody(r *http.Request, limit int64, accepted ...string) *Problem {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err != nil || !slices.Contains(accepted, media):
		p := newProblem(http.StatusUnsupportedMediaType, "Send the body as %s; the Content-Type was %.100q.", accepted[0], r.Header.Get("Content-Type"))
		p.header.Set("Accept", accepted[0])
		return p
	case r.Header.Get("Content-Encoding") != "":
		return newProblem(http.StatusUnsupportedMediaType, "Send the body without a Content-Encoding.")
	case r.ContentLength > limit:
		return newProblem(http.StatusRequestEntityTooLarge, "The body has %d bytes; this operation takes %d.", r.ContentLength, limit)
	}
	return nil
}

type announceInput struct {
	ID        string `header:"Webhook-Id" required:"true" doc:"The message's id: the same when it is sent again, and of no other message." example:"msg_2KWPBgLlAfxdpx2AI54pPJ85f4W"`
	Timestamp string `header:"Webhook-Timestamp" required:"true" doc:"When it was sent, in seconds since 1970; at most five minutes off." example:"1767225600"`
	Signature string `header:"Webhook-Signature" required:"true" doc:"\"v1,\" and the base64 of HMAC-SHA256 over ID.TIMESTAMP.BODY; several are separated by spaces." example:"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="`
	RawBody   []byte `contentType:"application/json"`

	header http.Header // all of them: a doubled one is not to be overlooked
}

// Resolve gives the handler the request's headers.
func (in *announceInput) Resolve(ctx huma.Context) []error {
	r, _ := humago.Unwrap(ctx)
	in.header = r.Header
	return nil
}

type announceOutput struct {
	Status   int
	Location string `header:"Location" doc:"Where to see what became of it."`
	Body     AnnouncementDocument
}

func (s *server) announce(ctx context.Context, in *announceInput) (*announceOutput, error) {
	message, err := s.Webhook.Verify(in.header, in.RawBody)
	if err != nil {
		return nil, err
	}
	a, err := parseMessage(in.RawBody)
	if err != nil {
		return nil, err
	}
	a.Via, a.MessageID = store.ViaWebhook, message.ID
	known, created, err := s.Intake.Announce(ctx, a, "webhook")
	if err != nil {
		return nil, err
	}
	if known.Crate != a.Crate || known.Version != a.Version || known.Checksum != a.Checksum {
		// Answering 200 would lose this release without a word.
		return nil, newProblem(http.StatusConflict, "The webhook-id %q was that of the message about %q %q: give each message its own.",
			message.ID, known.Crate, known.Version)
	}
	out := &announceOutput{
		Status: http.StatusOK, Location: announcementPath(known.ID),
		Body: AnnouncementDocument{newAnnouncement(known)},
	}
	if created {
		out.Status = http.StatusAccepted
	}
	return out, nil
}

func newAnnouncement(a store.Announcement) Announcement {
	return Announcement{
		ID: int64(a.ID), Status: string(a.Status), Reason: a.Reason, Via: string(a.Via),
		Name: a.Crate, Version: a.Version, Checksum: a.Checksum.String(),
		Publisher: a.Publisher, PublishedAt: instant(a.PublishedAt),
		ReceivedAt: instant(a.ReceivedAt), FinishedAt: instant(a.FinishedAt),
		URL: announcementPath(a.ID), ReleaseURL: releasePath(a.Crate, a.Version),
	}
}

func (s *server) getAnnouncement(ctx context.Context, in *idInput) (*body[AnnouncementDocument], error) {
	missing := notFound("There is no announcement %.32q here.", in.ID)
	id := in.parse()
	if id == 0 {
		return nil, missing
	}
	a, err := s.Announcements.Announcement(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, missing
	}
	if err != nil {
		return nil, err
	}
	return &body[AnnouncementDocument]{AnnouncementDocument{newAnnouncement(a)}}, nil
}

type submitInput struct {
	Name        string    `path:"name" doc:"The crate's name, as its manifest spells it." example:"serde"`
	Version     string    `path:"version" doc:"A SemVer version, in full." example:"1.0.219"`
	PublishedAt time.Time `query:"published_at" doc:"When it was published (RFC 3339), if known."`
	Publisher   string    `query:"publisher" maxLength:"200" doc:"Who published it, if known." example:"github:rust-lang"`
	RawBody     []byte    `contentType:"application/octet-stream"`
}

type submitOutput struct {
	Status   int
	Location string `header:"Location" doc:"Where to read the release."`
	Body     ReleaseDocument
}

func (s *server) submit(ctx context.Context, in *submitInput) (*submitOutput, error) {
	if err := in.validate(); err != nil {
		return nil, err
	}
	release, created, err := s.Intake.Submit(ctx, store.Release{
		Crate: in.Name, Version: in.Version, PublishedAt: in.PublishedAt.UTC(), Publisher: in.Publisher,
	}, in.RawBody, auth.Actor(ctx))
	if errors.Is(err, store.ErrOtherBytes) {
		return nil, otherBytes(release, crate.Sum(in.RawBody))
	}
	if errors.Is(err, store.ErrOtherName) {
		return nil, s.otherName(ctx, in.Name)
	}
	if err != nil {
		return nil, err
	}
	out := &submitOutput{
		Status: http.StatusOK, Location: releasePath(release.Crate, release.Version),
		Body: ReleaseDocument{newFullRelease(release)},
	}
	if created {
		out.Status = http.StatusCreated
	}
	return out, nil
}

func (in *submitInput) validate() error {
	var mistakes []Mistake
	if err := crate.ValidateName(in.Name); err != nil {
		mistakes = append(mistakes, Mistake{"path.name", err.Error()})
	}
	if _, err := crate.ParseVersion(in.Version); err != nil {
		mistakes = append(mistakes, Mistake{"path.version", err.Error()})
	}
	if !in.PublishedAt.IsZero() && !plausible(in.PublishedAt) {
		mistakes = append(mistakes, Mistake{"query.published_at", implausible})
	}
	if !plainText(in.Publisher) {
		mistakes = append(mistakes, Mistake{"query.publisher", "want text without control characters"})
	}
	if len(mistakes) > 0 {
		return mistaken(mistakes...)
	}
	return nil
}

// otherName says under which spelling a crate is known.
func (s *server) otherName(ctx context.Context, name string) error {
	known, err := s.Crates.Crate(ctx, name)
	if err != nil {
		return err
	}
	return newProblem(http.StatusConflict, "The crate is known as %q, and stays so. If %q is another crate, it needs a name that differs in more than case, - and _.", known.Name, name)
}

func otherBytes(known store.Release, offered crate.Checksum) *Problem {
	p := newProblem(http.StatusConflict,
		"%q %q is known with other bytes, which stay. Yours are kept as an incident. If they are right, publish them as a new version.",
		known.Crate, known.Version)
	p.Conflict = &Conflict{Release: NewRelease(known), Offered: offered.String(), Incident: cratePath(known.Crate)}
	return p
}
