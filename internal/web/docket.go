package web

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/cratefence/cratefence/internal/auth"
	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/store"
)

// How much of the past a docket shows.
const (
	maxDecided = 50
	maxEvents  = 100
	maxPeople  = 50
	maxFetches = 50
)

// A docket is all that is known about a decision on a release under a policy,
// and the forms by which people add to it.
type docket struct {
	Key      string // of its elements, on a page with several
	Card     fenceCard
	Policy   string
	Crate    string
	Version  string
	Back     string // the page that shows it
	After    store.ID
	Rulings  []rulingLine
	Excepted []exceptionLine
	Asked    []askedLine
	Past     []decidedLine
	Fetched  []fetchLine // for those who may know
	Rules    []string    // that keep it back, and that an exception can lift
	Reader   reader
	Open     bool // the form to decide is unfolded
}

type rulingLine struct {
	Action    string
	Reason    string
	Author    string
	Impartial bool
	At        *moment
}

type askedLine struct {
	Actor  string
	Reason string
	At     *moment
}

type fetchLine struct {
	Actor  string
	Passed bool
	At     *moment
}

type decidedLine struct {
	Mark    mark
	Reasons []reason
	At      *moment
}

// fillDocket reads what people and the gate decided.
func (s *site) fillDocket(r *http.Request, d *docket) error {
	ctx, c := r.Context(), s.clock()
	d.Key, d.Reader = "d-"+d.Policy+"-"+d.Crate+"-"+d.Version, readerOf(r)
	for _, why := range d.Card.Reasons {
		if why.Mark != verdictMarks[policy.Allow] && policy.Exceptable(why.Rule) && !slices.Contains(d.Rules, why.Rule) {
			d.Rules = append(d.Rules, why.Rule)
		}
	}
	rulings, err := s.Fence.Records.Rulings(ctx, store.RulingQuery{Policy: d.Policy, Crate: d.Crate, Version: d.Version, Limit: maxPeople})
	if err != nil {
		return err
	}
	for i, one := range rulings {
		if i == 0 {
			d.After = one.ID
		}
		d.Rulings = append(d.Rulings, s.rulingLine(one))
	}
	exceptions, err := s.Fence.Records.Exceptions(ctx, store.ExceptionQuery{Policy: d.Policy, Crate: d.Crate, Version: d.Version, Limit: maxPeople})
	if err != nil {
		return err
	}
	for _, one := range exceptions {
		d.Excepted = append(d.Excepted, s.exceptionLine(one))
	}
	requests, err := s.Fence.Records.ReviewRequests(ctx, store.ReviewQuery{Policy: d.Policy, Crate: d.Crate, Version: d.Version, Limit: maxPeople})
	if err != nil {
		return err
	}
	for _, one := range requests {
		d.Asked = append(d.Asked, askedLine{Actor: clip(one.Actor, maxSentence), Reason: clip(one.Reason, maxMessage), At: c.ago(one.At)})
	}
	past, err := s.Fence.Records.Decisions(ctx, store.DecisionQuery{Policy: d.Policy, Crate: d.Crate, Version: d.Version, History: true, Limit: maxDecided})
	if err != nil {
		return err
	}
	for _, one := range past {
		shown := s.decided(one.Policy, one.Decision)
		d.Past = append(d.Past, decidedLine{Mark: shown.Mark, Reasons: shown.Reasons, At: c.ago(one.At)})
	}
	d.Fetched, err = s.fetched(r, d)
	return err
}

// fetched says who fetched a release under a policy, to those who may know.
func (s *site) fetched(r *http.Request, d *docket) ([]fetchLine, error) {
	if !d.Reader.May(auth.ScopeAdmin) {
		return nil, nil
	}
	fetches, err := s.Fence.Traces.Fetches(r.Context(), store.FetchQuery{Crate: d.Crate, Version: d.Version, Limit: maxFetches})
	if err != nil {
		return nil, err
	}
	var lines []fetchLine
	for _, one := range fetches {
		if one.Policy == d.Policy {
			lines = append(lines, fetchLine{Actor: clip(one.Actor, maxSentence), Passed: one.Passed, At: s.clock().ago(one.At)})
		}
	}
	return lines, nil
}

func (s *site) rulingLine(r store.Ruling) rulingLine {
	return rulingLine{
		Action: actionWords(r.Action), Reason: clip(r.Reason, maxMessage), Author: clip(r.Author, maxSentence), Impartial: r.Impartial, At: s.clock().ago(r.At),
	}
}

func actionWords(a policy.Action) string {
	switch a {
	case policy.ActAllow:
		return "allowed it"
	case policy.ActKeep:
		return "looked at it and kept it as it was"
	case policy.ActBlock:
		return "blocked it"
	case policy.ActRevoke:
		return "revoked it"
	}
	return "decided otherwise than this program knows"
}

// A docketPage is what the short link of a refused download leads to.
type docketPage struct {
	layout
	Docket docket
	Line   lineCase
	Events []lineEvent
	Page   string // of the release; "" when it was never taken in
}

var codePattern = regexp.MustCompile(`^[0-9a-z]{4,32}$`)

func (s *site) docket(w http.ResponseWriter, r *http.Request) error {
	code := r.PathValue("code")
	if !codePattern.MatchString(code) {
		return fmt.Errorf("show decision %q: %w", clip(code, maxName), errNoPage)
	}
	record, err := s.Fence.Records.DecisionByCode(r.Context(), code)
	if err != nil {
		return err
	}
	switch err := s.mayUse(r, record.Policy); {
	case err != nil && readerOf(r).Token == "":
		// Whoever has the link had it from cargo, which has a token.
		return fmt.Errorf("%w: this decision is shown to those who may use its policy", auth.ErrUnauthenticated)
	case err != nil:
		return err
	}
	page := docketPage{layout: s.layout(r, record.Crate+" "+record.Version+" at the fence")}
	page.Docket = docket{Policy: record.Policy, Crate: record.Crate, Version: record.Version, Back: "/r/" + code, Open: true}
	page.Docket.Card = s.nowOr(record)
	page.Docket.Card.Case = page.Docket.Back
	if err := s.backStored(r.Context(), &page.Docket.Card, record.Crate, record.Version); err != nil {
		return err
	}
	if err := s.fillDocket(r, &page.Docket); err != nil {
		return err
	}
	if page.Line, err = s.lineCase(r, record.Crate, record.Version, page.Docket.Back); err != nil {
		return err
	}
	if page.Events, err = s.lineEvents(r.Context(), record.Crate, record.Version); err != nil {
		return err
	}
	switch release, err := s.Catalogue.Release(r.Context(), record.Crate, record.Version); {
	case err == nil:
		page.Page = releaseURL(release)
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	if page.Docket.Card.Pending {
		page.Pending = 1
	}
	return show(s.views.docket, w, r, page)
}

// nowOr is the decision as of now, or the recorded one where the gate knows no
// such version.
func (s *site) nowOr(record store.DecisionRecord) fenceCard {
	if view, v, ok := s.version(record.Policy, record.Crate, record.Version); ok {
		return s.card(record.Policy, view, v)
	}
	c := s.decided(record.Policy, record.Decision)
	c.Closed = true
	return c
}

// A fencePage is the Fence tab of a release: a docket for each policy, and what
// happened to its index lines.
type fencePage struct {
	layout
	Head    crateHead
	Dockets []docket
	Line    lineCase
	Events  []lineEvent
	JSON    string
}

func (s *site) fenceTab(w http.ResponseWriter, r *http.Request) error {
	sub, moved, err := s.find(w, r, tabFence)
	if err != nil || moved {
		return err
	}
	page := fencePage{layout: s.layout(r, tabTitle(sub, tabFence))}
	page.Canonical = s.BaseURL + sub.address(tabFence)
	page.JSON = "/api/v1" + releaseURL(sub.release) + "/decisions"
	page.Pending = s.due(sub.states)
	if page.Head, err = s.head(r, sub, tabFence); err != nil {
		return err
	}
	for _, card := range sub.fences {
		d := docket{Card: card, Policy: card.Policy, Crate: sub.crate.Name, Version: sub.release.Version, Back: releaseURL(sub.release) + "/" + tabFence}
		if err := s.fillDocket(r, &d); err != nil {
			return err
		}
		page.Dockets = append(page.Dockets, d)
	}
	if page.Line, err = s.lineCase(r, sub.crate.Name, sub.release.Version, releaseURL(sub.release)+"/"+tabFence); err != nil {
		return err
	}
	if page.Events, err = s.lineEvents(r.Context(), sub.crate.Name, ""); err != nil {
		return err
	}
	return show(s.views.fence, w, r, page)
}

// AfterText is the ruling that the reader sees, for a form.
func (d docket) AfterText() string { return strconv.FormatInt(int64(d.After), 10) }

// Keeps reports whether the release is kept back.
func (c fenceCard) Keeps() bool { return c.Verdict != policy.Allow && !c.Observed }

// Class names the card's state in the style sheet.
func (c fenceCard) Class() string { return strings.ReplaceAll(c.Mark.Word, " ", "-") }
