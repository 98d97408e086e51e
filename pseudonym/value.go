package pseudonym

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"hash"
)

// value collects a value as it is written, up to maxValue bytes; of a longer one it keeps a hash only.
type value struct {
	m    *Masker
	raw  []byte
	size int64
	mac  hash.Hash // not nil: the value is long
}

func (v *value) add(p []byte) {
	v.size += int64(len(p))
	if v.mac == nil && len(v.raw)+len(p) > maxValue {
		v.mac = hmac.New(sha256.New, v.m.key)
		v.mac.Write(v.raw)
		v.raw = v.raw[:0]
	}
	if v.mac != nil {
		v.mac.Write(p)
		return
	}
	v.raw = append(v.raw, p...)
}

func (v *value) long() bool { return v.mac != nil }

// digest appends what stands for a long value; it is the same for the same value, as written.
func (v *value) digest(dst []byte, kind string) []byte {
	v.m.counts[kind]++
	v.mac.Sum(v.m.sum[:0])
	return fmt.Appendf(dst, "masked %s, %d bytes", v.m.tag(), v.size)
}

func (v *value) reset() { v.raw, v.size, v.mac = v.raw[:0], 0, nil }
