// Package policy decides: evidence in, decision with reasons out. It reads an
// organisation's policy file, knows the presets and what each stops, and says
// in a clause why a release waits and until when.
//
// It is pure: no clock, no network, no log. What it does not know holds.
package policy
