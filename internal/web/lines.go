package web

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"

	"github.com/cratefence/cratefence/internal/store"
)

// acceptedLine returns the line of a version that is served; "" when it cannot
// be read, for then it is shown to nobody.
func acceptedLine(file store.IndexFile, version string) string {
	unpacked, err := gzip.NewReader(bytes.NewReader(file.Lines))
	if err != nil {
		return ""
	}
	lines := bufio.NewReader(io.LimitReader(unpacked, int64(file.Size)))
	for {
		line, err := lines.ReadBytes('\n')
		var l struct {
			Vers string `json:"vers"`
		}
		if bytes.Contains(line, []byte(version)) && json.Unmarshal(line, &l) == nil && l.Vers == version {
			return string(bytes.TrimSuffix(line, []byte("\n")))
		}
		if err != nil {
			return ""
		}
	}
}
