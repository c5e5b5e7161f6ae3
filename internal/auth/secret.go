package auth

import (
	"crypto/rand"
	"crypto/subtle"
	"hash/crc32"
	"math/big"
	"strings"
)

// A secret reads cf_, 43 digits of base 62 (32 random bytes), and 6 more (the
// CRC-32 of all before). The prefix and the checksum let a secret scanner tell a
// leaked token from chance, and a server refuse a mistyped one unseen:
// cf_[0-9A-Za-z]{49}.
const (
	secretPrefix   = "cf_"
	secretDigits   = 43
	checksumDigits = 6
	secretLength   = len(secretPrefix) + secretDigits + checksumDigits
)

func newSecret() string {
	var random [32]byte
	rand.Read(random[:]) // never fails: see crypto/rand
	body := secretPrefix + base62(new(big.Int).SetBytes(random[:]), secretDigits)
	return body + checksum(body)
}

func checksum(body string) string {
	sum := crc32.ChecksumIEEE([]byte(body))
	return base62(new(big.Int).SetUint64(uint64(sum)), checksumDigits)
}

func base62(n *big.Int, digits int) string {
	text := n.Text(62)
	return strings.Repeat("0", digits-len(text)) + text
}

// wellFormed reports whether s has the shape of a secret. It says nothing about
// whether there is such a token.
func wellFormed(s string) bool {
	if len(s) != secretLength || !strings.HasPrefix(s, secretPrefix) {
		return false
	}
	body, sum := s[:secretLength-checksumDigits], s[secretLength-checksumDigits:]
	return subtle.ConstantTimeCompare([]byte(checksum(body)), []byte(sum)) == 1
}
