package main

import "testing"

// A person is known by their tokens, and by their users at the command line.
func TestPeople(t *testing.T) {
	desk := newDesk(Config{People: []PersonConfig{{Name: "Ann", Tokens: []string{"ann"}, Users: []string{"ann.lee"}, Publishers: []string{"github:ann"}}}}, nil, nil)
	for actor, want := range map[string]bool{"token:ann": true, "cli:ann.lee": true, "cli:ann": false, "token:ann.lee": false, "anonymous": false} {
		if person, linked := desk.People.Of(actor); linked != want || linked && person.Name != "Ann" {
			t.Errorf("%s is %+v, %t, want it linked: %t", actor, person, linked, want)
		}
	}
}
