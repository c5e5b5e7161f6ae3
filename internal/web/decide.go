package web

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/cratefence/cratefence/internal/auth"
	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/ruling"
	"github.com/cratefence/cratefence/internal/store"
)

// What forms send. Each answers with the page that it came from, where the
// change is seen.

// decider reads the form of somebody who may decide, and returns how the audit
// log names them.
func (s *site) decider(w http.ResponseWriter, r *http.Request) (actor string, err error) {
	if err := readForm(w, r); err != nil {
		return "", err
	}
	switch who := readerOf(r); {
	case who.Token == "":
		return "", fmt.Errorf("%w: sign in with a token that has the scope %q, and send this again", auth.ErrUnauthenticated, auth.ScopeDecide)
	case !who.MayDecide():
		return "", fmt.Errorf("%w: token %q does not have the scope %q", auth.ErrForbidden, who.Token, auth.ScopeDecide)
	}
	return auth.Actor(r.Context()), nil
}

// subjectOf reads which release a form is about.
func (s *site) subjectOf(r *http.Request) (ruling.Subject, error) {
	subject := ruling.Subject{Policy: r.PostFormValue("policy"), Crate: r.PostFormValue("crate"), Version: r.PostFormValue("version")}
	return subject, s.mayUse(r, subject.Policy)
}

func (s *site) rule(w http.ResponseWriter, r *http.Request) error {
	actor, err := s.decider(w, r)
	if err != nil {
		return err
	}
	subject, err := s.subjectOf(r)
	if err != nil {
		return err
	}
	after, err := strconv.ParseInt(r.PostFormValue("after"), 10, 64)
	if err != nil || after < 0 {
		return fmt.Errorf("%w: it does not say which decision you have read", errForm)
	}
	_, err = s.Fence.Desk.Rule(r.Context(), ruling.Order{
		Subject: subject, Action: policy.Action(r.PostFormValue("action")), Reason: r.PostFormValue("reason"), After: store.ID(after),
	}, actor)
	return s.done(w, r, err)
}

// stands is the ruling that somebody else made before a form came, for the page
// that says so; nil where the form was about something else. That page is there
// without it, too.
func (s *site) stands(r *http.Request) *rulingLine {
	if r.URL.Path != "/rulings" {
		return nil
	}
	subject, err := s.subjectOf(r)
	if err != nil {
		return nil
	}
	rulings, err := s.Fence.Records.Rulings(r.Context(), store.RulingQuery{Policy: subject.Policy, Crate: subject.Crate, Version: subject.Version, Limit: 1})
	if err != nil || len(rulings) == 0 {
		return nil
	}
	line := s.rulingLine(rulings[0])
	return &line
}

func (s *site) except(w http.ResponseWriter, r *http.Request) error {
	actor, err := s.decider(w, r)
	if err != nil {
		return err
	}
	subject, err := s.subjectOf(r)
	if err != nil {
		return err
	}
	expires, err := s.lastDay(r.PostFormValue("until"))
	if err != nil {
		return err
	}
	_, err = s.Fence.Desk.Except(r.Context(), ruling.Waiver{Subject: subject, Rule: r.PostFormValue("rule"), Reason: r.PostFormValue("reason"), Expires: expires}, actor)
	return s.done(w, r, err)
}

// lastDay reads a date, whose end is meant; "" leaves the time to the desk.
func (s *site) lastDay(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%w: want a last day such as %s", errForm, s.now().UTC().AddDate(0, 0, 7).Format(time.DateOnly))
	}
	return day.AddDate(0, 0, 1), nil
}

func (s *site) expire(w http.ResponseWriter, r *http.Request) error {
	actor, err := s.decider(w, r)
	if err != nil {
		return err
	}
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || id < 1 {
		return fmt.Errorf("end exception %q: %w", clip(r.PathValue("id"), maxName), errNoPage)
	}
	_, err = s.Fence.Desk.Expire(r.Context(), store.ID(id), actor)
	return s.done(w, r, err)
}

// askReview is open to everybody who may use the policy.
func (s *site) askReview(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	subject, err := s.subjectOf(r)
	if err != nil {
		return err
	}
	actor := "anonymous"
	if readerOf(r).Token != "" {
		actor = auth.Actor(r.Context())
	}
	_, _, err = s.Fence.Desk.AskReview(r.Context(), subject, r.PostFormValue("reason"), actor)
	return s.done(w, r, err)
}

// line takes decisions about an index line, which hold under every policy.
func (s *site) line(w http.ResponseWriter, r *http.Request) error {
	actor, err := s.decider(w, r)
	if err != nil {
		return err
	}
	subject := ruling.Subject{Crate: r.PostFormValue("crate"), Version: r.PostFormValue("version")}
	reason := r.PostFormValue("reason")
	switch r.PostFormValue("action") {
	case "accept":
		var offered [32]byte
		if n, err := hex.Decode(offered[:], []byte(cut(r.PostFormValue("offered"), 64))); err != nil || n != len(offered) {
			return fmt.Errorf("%w: it does not say which line you have read", errForm)
		}
		err = s.Fence.Desk.AcceptLine(r.Context(), subject, offered, reason, actor)
	case "honour":
		err = s.Fence.Desk.HonourYank(r.Context(), subject, reason, actor)
	default:
		err = fmt.Errorf("%w: it does not say what to do", errForm)
	}
	return s.done(w, r, err)
}

// done goes back to where the form was, or says why nothing was done.
func (s *site) done(w http.ResponseWriter, r *http.Request, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%w: there is no such release here", errForm)
	}
	if err != nil {
		return err
	}
	return seeOther(w, r, backOf(r))
}
