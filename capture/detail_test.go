package capture

import (
	"encoding/json"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// restored puts the contents of the bodies back.
func restored(t interface{ Fatal(...any) }, d *Detail) Capture {
	c := d.Capture
	read := func(i int, side Side, b *BodyLine) {
		r, err := d.Body(i, side)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if b.Base64 != nil {
			b.Base64 = content
		} else {
			b.Text = string(content)
		}
	}
	for i := range c.Attempts {
		read(i, RequestSide, &c.Attempts[i].Request.Body)
		if c.Attempts[i].Response != nil {
			read(i, ResponseSide, &c.Attempts[i].Response.Body)
		}
	}
	return c
}

func anyBody(t *rapid.T) BodyLine {
	b := BodyLine{Size: rapid.Int64Range(0, 99).Draw(t, "size")}
	switch rapid.IntRange(0, 3).Draw(t, "kind") {
	case 0:
		b.Text = rapid.String().Draw(t, "text")
	case 1:
		b.Text = strings.Repeat(rapid.SampledFrom([]string{`"`, `\`, "ü", "\U0001f600", "\x00", `","text":"`, "</a>\n"}).Draw(t, "unit"), rapid.IntRange(1, 9000).Draw(t, "n"))
	case 2:
		b.Base64 = rapid.SliceOfN(rapid.Byte(), 1, 5000).Draw(t, "bytes")
	}
	return b
}

func TestDetailGivesBackTheBodies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := aCapture(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), 1)
		c.Attempts = make([]AttemptLine, rapid.IntRange(0, 3).Draw(t, "attempts"))
		for i := range c.Attempts {
			c.Attempts[i].Request.URL = rapid.String().Draw(t, "url")
			c.Attempts[i].Request.Headers = []HeaderLine{{"text", rapid.String().Draw(t, "header")}}
			c.Attempts[i].Request.Body = anyBody(t)
			if rapid.Bool().Draw(t, "answered") {
				c.Attempts[i].Response = &ResponseLine{Body: anyBody(t)}
			}
		}
		line, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		d, err := ParseDetail(line)
		if err != nil {
			t.Fatal(err)
		}
		var want Capture
		if err := json.Unmarshal(line, &want); err != nil {
			t.Fatal(err)
		}
		if got := restored(t, d); !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %+v\nwant %+v", got, want)
		}
	})
}

// Whatever stands in a line, it is read as encoding/json reads it, and its bodies can be opened.
func FuzzParseDetail(f *testing.F) {
	f.Add(lineOf(f, aCapture(archiveNow, 1)))
	f.Add([]byte(`{"id":"x","ATTEMPTS":[null,{"request":{"body":{"te\u0078t":"a\ud83d\ude00\ud83d"}}},{"Response":{"Body":{"base64":"AAE="}}}]}`))
	f.Add([]byte(`{"attempts":[{"request":{"body":{"text":"a"}}}],"attempts":[{"request":{"body":{"base64":"!"}}}]}`))
	f.Add([]byte(`{"attempts":[{"request":{"body":{"text":"a","text":"b","base64":""}}}]}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		d, err := ParseDetail(line)
		if err != nil {
			return
		}
		if !json.Valid(line) {
			t.Fatalf("read what is no JSON: %q", line)
		}
		for i := range d.Attempts {
			for _, side := range []Side{RequestSide, ResponseSide} {
				r, err := d.Body(i, side)
				if err != nil {
					t.Fatal(err)
				}
				content, err := io.ReadAll(r)
				r.Close()
				var want Capture
				if json.Unmarshal(line, &want) != nil || err != nil {
					continue // base64 that is none
				}
				body := want.Attempts[i].Request.Body
				if side == ResponseSide {
					if want.Attempts[i].Response == nil {
						continue
					}
					body = want.Attempts[i].Response.Body
				}
				if got := string(content); got != body.Text && got != string(body.Base64) {
					t.Fatalf("attempt %d side %d: got %q, want %q or %q in %q", i, side, got, body.Text, body.Base64, line)
				}
			}
		}
	})
}

func TestParseTime(t *testing.T) {
	berlin := time.FixedZone("CET", 3600)
	now := time.Date(2026, 11, 24, 15, 4, 5, 0, berlin)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	const day = 24 * time.Hour
	for s, want := range map[string]time.Time{
		"2h":                        ago(2 * time.Hour),
		" 90m ":                     ago(90 * time.Minute),
		"7d":                        ago(7 * day),
		"1w2d3h30m":                 ago(9*day + 3*time.Hour + 30*time.Minute),
		"0s":                        now,
		"1.5h":                      ago(90 * time.Minute),
		"2026-11-24T12:00:00Z":      time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC),
		"2026-11-24T12:00:00.5Z":    time.Date(2026, 11, 24, 12, 0, 0, 5e8, time.UTC),
		"2026-11-24T12:00:00-06:00": time.Date(2026, 11, 24, 18, 0, 0, 0, time.UTC),
		"2026-11-24":                time.Date(2026, 11, 24, 0, 0, 0, 0, berlin),
		"2026-11-24 09:30:01":       time.Date(2026, 11, 24, 9, 30, 1, 0, berlin),
		"2026-11-24 09:30":          time.Date(2026, 11, 24, 9, 30, 0, 0, berlin),
	} {
		if got, err := ParseTime(s, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: got %v, %v, want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "yesterday", "-2h", "+2h", "2", "2x", "d", "1.5d", "2d1w", "99999999d", "65535w", "999999h9", "1d-2h", "2026-13-01", "12:00"} {
		if got, err := ParseTime(s, now); err == nil {
			t.Errorf("%q: got %v", s, got)
		}
	}
}

func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"2h", "7d", "1w2d", "2026-11-24T12:00:00Z", "2026-11-24 09:30", "1.5h", "-1h", "36500d", "9223372036s"} {
		f.Add(s)
	}
	now := archiveNow
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseTime(s, now)
		switch {
		case err != nil:
			if !got.IsZero() {
				t.Errorf("%q: %v with %v", s, got, err)
			}
		case strings.Contains(s, "-") || strings.Contains(s, ":"): // a time
		case got.After(now) || got.Before(now.Add(-maxAgo)):
			t.Errorf("%q: %v", s, got)
		}
	})
}
