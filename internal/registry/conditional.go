package registry

import "strings"

// Headers longer than these are not read: what cargo sends is far shorter.
const (
	maxIfNoneMatch    = 1 << 10
	maxAcceptEncoding = 256
)

// hasTag reports whether an If-None-Match lists exactly this entity tag, weak or
// strong (RFC 9110, 8.8.3.2 and 13.1.2). "*", what is malformed and what is over
// long match nothing: then the file is sent, which is never wrong. A 304 to a
// client without the file is fatal to cargo.
func hasTag(headers []string, tag string) bool {
	if len(headers) != 1 || len(headers[0]) > maxIfNoneMatch {
		return false
	}
	list := headers[0]
	if list == tag {
		return true
	}
	tag = strings.TrimPrefix(tag, "W/")
	found := false
	for list != "" {
		var this string
		var ok bool
		if this, list, ok = cutTag(list); !ok {
			return false
		}
		found = found || this == tag
	}
	return found
}

// cutTag takes the first tag off a list, without its W/, and the comma after it.
func cutTag(list string) (tag, rest string, ok bool) {
	list = strings.TrimPrefix(strings.TrimLeft(list, " \t"), "W/")
	if !strings.HasPrefix(list, `"`) {
		return "", "", false
	}
	end := strings.IndexByte(list[1:], '"') + 2
	if end < 2 || strings.ContainsFunc(list[1:end-1], notInTag) {
		return "", "", false
	}
	tag, rest = list[:end], strings.TrimLeft(list[end:], " \t")
	if rest == "" {
		return tag, "", true
	}
	rest, ok = strings.CutPrefix(rest, ",")
	return tag, rest, ok && strings.TrimLeft(rest, " \t") != ""
}

func notInTag(r rune) bool { return r < 0x21 || r == 0x7f }

// acceptsGzip reports whether an Accept-Encoding has room for gzip.
func acceptsGzip(headers []string) bool {
	if len(headers) != 1 || len(headers[0]) > maxAcceptEncoding {
		return false
	}
	if headers[0] == "deflate, gzip" { // cargo's
		return true
	}
	any := false
	for item := range strings.SplitSeq(headers[0], ",") {
		coding, params, _ := strings.Cut(item, ";")
		wanted := !refused(params)
		switch coding = strings.TrimSpace(coding); {
		case strings.EqualFold(coding, "gzip"), strings.EqualFold(coding, "x-gzip"):
			return wanted
		case coding == "*":
			any = wanted
		}
	}
	return any
}

// refused reports whether the parameters of a coding give it no weight at all.
func refused(params string) bool {
	weight, ok := strings.CutPrefix(strings.ToLower(strings.ReplaceAll(params, " ", "")), "q=")
	return ok && strings.Trim(weight, "0.") == ""
}
