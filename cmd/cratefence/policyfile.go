package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"sync/atomic"

	"github.com/cratefence/cratefence/internal/policy"
)

// maxPolicies bounds what is read of a policies' file, in bytes.
const maxPolicies = 1 << 20

// A policyFile is where the policies stand; "" is the preset that needs none.
type policyFile struct {
	path   string
	accept func(*policy.Set) error // refuses a set that this service cannot use
	set    *policy.Set
	read   [sha256.Size]byte // of the text that was read last, taken or not
	gone   bool              // it could not be read the last time
	// refused: the file as it is now is not in force.
	refused atomic.Bool
}

func openPolicies(path string, accept func(*policy.Set) error) (*policyFile, error) {
	f := &policyFile{path: path, set: policy.Default(), accept: accept}
	if path == "" {
		return f, accept(f.set)
	}
	_, _, err := f.reload()
	return f, err
}

// reload reads the file again. Where its text is another, its policies are
// returned or why they are not taken; either once. Whoever calls it is alone.
func (f *policyFile) reload() (set *policy.Set, changed bool, err error) {
	if f.path == "" {
		return f.set, false, nil
	}
	data, err := readBounded(f.path, maxPolicies)
	known := f.gone
	f.gone = err != nil
	if err != nil {
		f.refused.Store(true)
	}
	switch {
	case err != nil && known:
		return f.set, false, nil
	case err != nil:
		return nil, false, fmt.Errorf("read policies: %w", err)
	}
	sum := sha256.Sum256(data)
	if sum == f.read && !known {
		return f.set, false, nil
	}
	f.read = sum
	set, err = policy.Parse(data)
	if err == nil {
		err = f.accept(set)
	}
	f.refused.Store(err != nil)
	if err != nil {
		return nil, false, fmt.Errorf("read policies %q: %w", f.path, err)
	}
	f.set = set
	return set, true, nil
}

func readBounded(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%q has %d bytes, over the limit of %d", path, info.Size(), limit)
	}
	return os.ReadFile(path)
}
