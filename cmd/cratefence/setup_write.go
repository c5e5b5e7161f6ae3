package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// The lines between which `cratefence setup --write` keeps what it wrote.
const (
	setupBegin = "# >>> cratefence setup: these lines are written anew by it"
	setupEnd   = "# <<< cratefence setup"
)

// maxCargoConfig is more than any config.toml has.
const maxCargoConfig = 1 << 20

// writeCargoConfig has a config.toml say what a plan says, and reports whether it
// did not before. What is not between the marks stays, to the byte. A file that
// says something about the same tables elsewhere is refused: which of the two
// counts would be anybody's guess.
func writeCargoConfig(file string, plan setupPlan) (changed bool, err error) {
	if file, err = throughLinks(file); err != nil {
		return false, err
	}
	if filepath.Base(file) == "config.toml" {
		if _, err := os.Lstat(strings.TrimSuffix(file, ".toml")); err == nil {
			return false, fmt.Errorf("cargo reads %q beside it, and that one first: rename it to config.toml", strings.TrimSuffix(file, ".toml"))
		}
	}
	old, mode, err := readCargoConfig(file)
	if err != nil {
		return false, err
	}
	merged, err := mergeCargoConfig(old, plan)
	if err != nil || bytes.Equal(old, merged) {
		return false, err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return false, err
	}
	return true, replaceFile(file, merged, mode)
}

// throughLinks follows symbolic links, so that what they point at is written and
// they stay.
func throughLinks(file string) (string, error) {
	real, err := filepath.EvalSymlinks(file)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(file); err == nil {
			return "", errors.New("it is a link to nothing")
		}
		return file, nil
	}
	return real, err
}

func readCargoConfig(file string) ([]byte, fs.FileMode, error) {
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, 0o644, nil
	case err != nil:
		return nil, 0, err
	case !info.Mode().IsRegular():
		return nil, 0, errors.New("it is not a file")
	case info.Size() > maxCargoConfig:
		return nil, 0, fmt.Errorf("it has %d bytes, which is more than any cargo configuration", info.Size())
	}
	data, err := os.ReadFile(file)
	return data, info.Mode().Perm(), err
}

// mergeCargoConfig puts a plan's lines between the marks of a file, or at its end.
func mergeCargoConfig(old []byte, plan setupPlan) ([]byte, error) {
	before, after, marked, err := aroundMarks(string(old))
	if err != nil {
		return nil, err
	}
	if err := saysNothing(before+after, plan); err != nil {
		return nil, err
	}
	newline := "\n"
	if strings.Contains(before, "\r\n") {
		newline = "\r\n"
	}
	if !marked && before != "" {
		before = strings.TrimRight(before, "\r\n") + newline + newline
	}
	block := setupBegin + "\n" + plan.lines() + setupEnd + "\n"
	merged := []byte(before + strings.ReplaceAll(block, "\n", newline) + after)
	if err := says(merged, plan); err != nil {
		return nil, err
	}
	return merged, nil
}

// aroundMarks returns what stands before and after the marked lines. Without
// marks all of it stands before.
func aroundMarks(text string) (before, after string, marked bool, err error) {
	begin, end := -1, -1
	at := 0
	for line := range strings.Lines(text) {
		switch strings.TrimRight(line, "\r\n") {
		case setupBegin:
			if begin >= 0 {
				return "", "", false, errMarks
			}
			begin = at
		case setupEnd:
			if begin < 0 || end >= 0 {
				return "", "", false, errMarks
			}
			end = at + len(line)
		}
		at += len(line)
	}
	if (begin < 0) != (end < 0) {
		return "", "", false, errMarks
	}
	if begin < 0 {
		return text, "", false, nil
	}
	return text[:begin], text[end:], true, nil
}

var errMarks = fmt.Errorf("its marks %q and %q are not one pair: put that right, or take them out", setupBegin, setupEnd)

// cargoConfig is as much of a config.toml as is looked at here.
type cargoConfig struct {
	Source     map[string]map[string]any `toml:"source"`
	Registries map[string]map[string]any `toml:"registries"`
}

// saysNothing refuses a file that says something of its own about the plan's
// tables.
func saysNothing(text string, plan setupPlan) error {
	var c cargoConfig
	if err := toml.Unmarshal([]byte(text), &c); err != nil {
		return fmt.Errorf("it is not as cargo wants it: %w", explainTOML(err))
	}
	tables := []struct {
		name string
		set  bool
	}{
		{"registries.fence", c.Registries["fence"] != nil},
		{"source.fence", c.Source["fence"] != nil},
		{"source.crates-io", c.Source["crates-io"] != nil && !plan.registryOnly},
	}
	for _, table := range tables {
		if table.set {
			return fmt.Errorf("it has a table %q of its own: take that out, or write the lines yourself", table.name)
		}
	}
	return nil
}

// says holds a merged file against the plan: tables that go on below the marks, or
// are closed, would make it say something else.
func says(merged []byte, plan setupPlan) error {
	var c cargoConfig
	if err := toml.Unmarshal(merged, &c); err != nil {
		return fmt.Errorf("the lines do not go together with what stands there: %w", explainTOML(err))
	}
	if c.Registries["fence"]["index"] != plan.index || !plan.registryOnly && c.Source["crates-io"]["replace-with"] != "fence" {
		return errors.New("the lines do not go together with what stands there: write them yourself")
	}
	return nil
}

// replaceFile puts data in the place of a file, or leaves it as it was.
func replaceFile(file string, data []byte, mode fs.FileMode) error {
	temp, err := os.CreateTemp(filepath.Dir(file), ".cratefence-setup-*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(data)
	if err = errors.Join(err, temp.Chmod(mode), temp.Sync(), temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), file)
}
