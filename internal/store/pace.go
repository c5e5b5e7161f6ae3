package store

// A Pace bounds how many answers are asked for again: in one call, and in an
// hour of all checks together. Callers that do not see each other's may pass
// Hour by a Batch each.
type Pace struct {
	Batch, Hour int
}

// Left is how many may be asked for now, when so many were within the hour.
func (p Pace) Left(spent int) int { return max(0, min(p.Batch, p.Hour-spent)) }
