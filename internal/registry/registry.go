// Package registry is the fence as cargo meets it: a sparse index and the
// downloads behind it, per policy. What is let through is the gate's to say.
package registry
