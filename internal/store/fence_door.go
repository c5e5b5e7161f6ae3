package store

import (
	"slices"
	"strings"
)

// The fence's types at the door: see Clean.

// Clean returns f as stores keep it. The lines stay as they are, and are never
// NULL.
func (f IndexFile) Clean() IndexFile {
	f.Key, f.Name = IndexKey(Clean(f.Key)), Clean(f.Name)
	f.ETag, f.LastModified = Clean(f.ETag), Clean(f.LastModified)
	f.CheckedAt, f.ChangedAt, f.FirstSeenAt = Instant(f.CheckedAt), Instant(f.ChangedAt), Instant(f.FirstSeenAt)
	f.Imported, f.GoneSince = Instant(f.Imported), Instant(f.GoneSince)
	if f.Lines == nil {
		f.Lines = []byte{}
	}
	return f
}

// Clean returns r as stores keep it.
func (r LineRecord) Clean() LineRecord {
	r.Key, r.Version = IndexKey(Clean(r.Key)), Clean(r.Version)
	r.PublishedAt, r.FirstSeenAt = Instant(r.PublishedAt), Instant(r.FirstSeenAt)
	r.YankedAt, r.HonouredAt, r.TroubleAt = Instant(r.YankedAt), Instant(r.HonouredAt), Instant(r.TroubleAt)
	return r
}

// Clean returns e as stores keep it.
func (e LineEvent) Clean() LineEvent {
	e.Key, e.Version, e.Detail = IndexKey(Clean(e.Key)), Clean(e.Version), Clean(e.Detail)
	e.At = Instant(e.At)
	return e
}

// Clean returns s as stores keep it: all of it is about its file's crate.
func (s IndexSave) Clean() IndexSave {
	s.File = s.File.Clean()
	s.Records, s.Events = slices.Clone(s.Records), slices.Clone(s.Events)
	for i := range s.Records {
		s.Records[i].Key = s.File.Key
		s.Records[i] = s.Records[i].Clean()
	}
	for i := range s.Events {
		s.Events[i].Key = s.File.Key
		s.Events[i] = s.Events[i].Clean()
	}
	return s
}

// Clean returns t as stores keep it.
func (t IndexTouch) Clean() IndexTouch {
	t.Key, t.ETag, t.LastModified = IndexKey(Clean(t.Key)), Clean(t.ETag), Clean(t.LastModified)
	t.CheckedAt = Instant(t.CheckedAt)
	return t
}

// Clean returns b as stores keep it.
func (b Baseline) Clean() Baseline {
	b.Policy, b.Actor, b.Source = Clean(b.Policy), Clean(b.Actor), Clean(b.Source)
	b.At, b.SetAt = Instant(b.At), Instant(b.SetAt)
	return b
}

// Clean returns e as stores keep it.
func (e Exception) Clean() Exception {
	for _, text := range []*string{&e.Policy, &e.Crate, &e.Version, &e.Rule, &e.Reason, &e.Author, &e.EndedBy} {
		*text = Clean(*text)
	}
	e.CreatedAt, e.ExpiresAt, e.EndedAt = Instant(e.CreatedAt), Instant(e.ExpiresAt), Instant(e.EndedAt)
	return e
}

// Expiry is the audit entry of e when its time is over.
func (e Exception) Expiry() AuditEntry {
	return AuditEntry{At: e.EndedAt, Actor: SystemActor, Action: "exception.expire", Object: e.Crate + "@" + e.Version}
}

// Clean returns r as stores keep it.
func (r Ruling) Clean() Ruling {
	for _, text := range []*string{&r.Policy, &r.Crate, &r.Version, &r.Reason, &r.Author} {
		*text = Clean(*text)
	}
	r.At = Instant(r.At)
	return r
}

// Clean returns r as stores keep it.
func (r ReviewRequest) Clean() ReviewRequest {
	for _, text := range []*string{&r.Policy, &r.Crate, &r.Version, &r.Actor, &r.Reason} {
		*text = Clean(*text)
	}
	r.At = Instant(r.At)
	return r
}

// Clean returns d as stores keep it.
func (d DecisionRecord) Clean() DecisionRecord {
	for _, text := range []*string{&d.Code, &d.Policy, &d.Crate, &d.Version} {
		*text = Clean(*text)
	}
	d.At, d.Decision.Recheck = Instant(d.At), Instant(d.Decision.Recheck)
	reasons := slices.Clone(d.Decision.Reasons)
	for i := range reasons {
		r := &reasons[i]
		r.Rule, r.Text, r.Until = Clean(r.Rule), Clean(r.Text), Instant(r.Until)
	}
	d.Decision.Reasons = reasons
	return d
}

// Clean returns f as stores keep it.
func (f Fetch) Clean() Fetch {
	for _, text := range []*string{&f.Actor, &f.Policy, &f.Crate, &f.Version} {
		*text = Clean(*text)
	}
	f.At = Instant(f.At)
	return f
}

// Page is how many rows a list has that is asked for so many.
func Page(limit int) int {
	const most = 1000
	if limit <= 0 || limit > most {
		return most
	}
	return limit
}

// IndexKey is what an index file is found by: the crate's name in lower case.
// Unlike crate.Canonical it keeps - and _ apart, as the paths of an index do.
func IndexKey(name string) string { return strings.ToLower(name) }
