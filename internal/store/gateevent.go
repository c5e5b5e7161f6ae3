package store

// MaxGateEvents bounds an answer to what happened since.
const MaxGateEvents = 10_000

// Missed reports whether a follower that has read up to an event has to read
// everything again, since a store has the events from first to last: some after
// it are no longer kept, or the store is another one than it followed.
func Missed(after, first, last int64) bool { return after+1 < first || after > last }
