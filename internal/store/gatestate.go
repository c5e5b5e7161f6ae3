package store

// StatesAtOnce is how many crates a store reads the states of by one query for
// each part: enough that the queries do not count, few enough to be held twice.
const StatesAtOnce = 500

// A StateList puts the states of crates together from their parts.
type StateList struct {
	List []CrateState // in the order of the keys
	at   map[string]int
}

// NewStates makes an empty state for each key.
func NewStates(keys []string) *StateList {
	l := &StateList{List: make([]CrateState, len(keys)), at: make(map[string]int, len(keys))}
	for i, key := range keys {
		l.List[i].Key, l.at[key] = key, i
	}
	return l
}

// Fill puts parts where they belong.
func (l *StateList) Fill(records []LineRecord, releases []GateRelease, checks map[ID][]GateCheck, exceptions []Exception, rulings []Ruling) {
	for _, r := range records {
		state := &l.List[l.at[r.Key]]
		state.Records = append(state.Records, r)
	}
	for _, r := range releases {
		state := &l.List[l.at[IndexKey(r.Release.Crate)]]
		r.Checks = checks[r.Release.ID]
		state.Releases = append(state.Releases, r)
	}
	for _, e := range exceptions {
		state := &l.List[l.at[IndexKey(e.Crate)]]
		state.Exceptions = append(state.Exceptions, e)
	}
	for _, r := range rulings {
		state := &l.List[l.at[IndexKey(r.Crate)]]
		state.Rulings = append(state.Rulings, r)
	}
}

// IDs returns the ids of releases.
func IDs(releases []GateRelease) []ID {
	ids := make([]ID, len(releases))
	for i, r := range releases {
		ids[i] = r.Release.ID
	}
	return ids
}
