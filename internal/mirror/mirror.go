// Package mirror keeps upstream's index files: it asks again when they have
// grown old, notices what changed, and remembers what was first seen. It
// decides nothing.
package mirror
