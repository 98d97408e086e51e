package identity

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode"
)

// Whatever the service answers, there is a token that can stand in a header and lives no longer than a day, or a reason of one line
// that does not tell the secret.
func FuzzRead(f *testing.F) {
	const secret = "kept0secret"
	f.Add(200, `{"access_token":"a1b2:int","token_type":"bearer","expires_in":3599,"scope":"api@example.com"}`)
	f.Add(200, `{"access_token":"a\u000d\u000ab","expires_in":1e300}`)
	f.Add(401, `{"error":"invalid_client","error_description":"Bad \u006bept0secret\n\u202e"}`)
	f.Add(500, `<html>kept0secret</html>`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		token, err := read(status, strings.NewReader(body), secret)
		var refusal *Refusal
		switch {
		case err == nil:
			if status != 200 || !IsToken(token.Value) || strings.ContainsAny(token.Value, "\r\n ") || token.Life < 0 || token.Life > 24*time.Hour {
				t.Errorf("%d %+v", status, token)
			}
		case !errors.As(err, &refusal) || token != (Token{}):
			t.Errorf("%v, %+v", err, token)
		default:
			text := err.Error()
			if strings.Contains(text, secret) || len(refusal.Reason) > maxReason+len(secret) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsGraphic(r) }) {
				t.Errorf("%q", text)
			}
		}
	})
}
