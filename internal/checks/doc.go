// Package checks holds the checks that come with the program, one file each. A
// check registers itself: adding one is adding its file.
//
// What a check needs beyond one file (an engine, a parser) is a subpackage. No
// check does I/O but through its Subject.
package checks
