// Package pseudonym replaces personal data in captures by pseudonyms, by structure and in a stream, so that a capture can be
// handed to somebody who must not know whose data it is.
//
// Nothing is kept because it looks harmless: a value stays only in a field that is known to be Marketo's own, and only as long as
// it has the form that this field has. docs/masking.md says which fields these are and why.
package pseudonym

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"hash"
	"io"
	"maps"
	"math/rand/v2"
)

// The kinds of replacements, as Counts has them.
const (
	Email     = "email"
	Name      = "name"
	Phone     = "phone"
	Address   = "address"
	Cookie    = "cookie"
	IP        = "ip"
	Date      = "date" // without a time of day: it may be a birthday
	URL       = "url"
	Attribute = "attribute" // any other value of a record
	Message   = "message"   // words of free text that Marketo does not use itself
	Header    = "header"
	Binary    = "binary" // bodies that are no text, left out
)

// Masker replaces personal data by pseudonyms: the same value gets the same pseudonym for the life of the Masker, wherever it
// stands and however it is escaped, and nobody without the key can compute it. It keeps no values, so its memory does not grow.
// It is not safe for concurrent use.
type Masker struct {
	mac    hash.Hash // keyed
	key    []byte
	stream *rand.ChaCha8
	sum    [sha256.Size]byte
	folded []byte
	whole  address // memory for wholeEmail
	counts map[string]int
}

// New makes a Masker with a key of 32 bytes from random, which must be unpredictable (crypto/rand.Reader). The key is never
// given out: pseudonyms of two Maskers can't be joined.
func New(random io.Reader) (*Masker, error) {
	key := make([]byte, sha256.Size)
	if _, err := io.ReadFull(random, key); err != nil {
		return nil, fmt.Errorf("pseudonym: read a random key: %w", err)
	}
	return &Masker{mac: hmac.New(sha256.New, key), key: key, stream: rand.NewChaCha8([32]byte(key)), counts: map[string]int{}}, nil
}

// Counts tells how often each kind was replaced since New; the caller owns the map.
func (m *Masker) Counts() map[string]int { return maps.Clone(m.counts) }

// seed starts the stream of bytes that belongs to a value.
func (m *Masker) seed(value []byte) {
	m.digest(value)
	m.stream.Seed(m.sum)
}

// digest is the keyed hash of a value.
func (m *Masker) digest(value []byte) {
	m.mac.Reset()
	m.mac.Write(value)
	m.mac.Sum(m.sum[:0])
}

// below returns the next number of the stream, less than n. The bias is far too small to matter.
func (m *Masker) below(n int) int { return int(m.stream.Uint64() >> 33 % uint64(n)) }

// tag is 64 bits of the last digest, in 13 characters.
func (m *Masker) tag() []byte { return letters.AppendEncode(nil, m.sum[:8]) }

const tagLength = 13

var letters = base32.NewEncoding(tagAlphabet).WithPadding(base32.NoPadding)

const tagAlphabet = "abcdefghijklmnopqrstuvwxyz234567"
