// Package sign makes and checks Marketo's SOAP signatures, holds the credentials, and splices a new timestamp and signature
// into an envelope without touching another byte.
package sign

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"strings"
	"time"
)

// TimestampLayout is the layout of requestTimestamp in Adobe's samples.
const TimestampLayout = "2006-01-02T15:04:05-07:00"

// Timestamp formats t as Marketo documents it, in t's own zone.
func Timestamp(t time.Time) string { return t.Format(TimestampLayout) }

// Signature is requestSignature: lowercase hex of HMAC-SHA1, keyed with the encryption key as text, over the timestamp
// followed by the user id (Adobe, SOAP API, "Authentication Signature").
func Signature(key, timestamp, user string) string {
	mac := hmac.New(sha1.New, []byte(key))
	mac.Write([]byte(timestamp))
	mac.Write([]byte(user))
	return hex.EncodeToString(mac.Sum(nil))
}

// Verify tells in constant time whether signature was made with key. The case of the hex digits does not matter.
func Verify(key, timestamp, user, signature string) bool {
	return hmac.Equal([]byte(Signature(key, timestamp, user)), []byte(strings.ToLower(signature)))
}
