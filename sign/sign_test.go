package sign

import (
	"encoding/csv"
	"os"
	"testing"
	"time"
)

// The file has the 19 signatures that Adobe and Marketo's community published with their keys, and three in timestamp styles that
// clients use.
func TestPublishedVectors(t *testing.T) {
	f, err := os.Open("testdata/vectors.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma, r.LazyQuotes = '\t', true
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	rows = rows[1:]
	if len(rows) != 22 {
		t.Fatalf("%d vectors, want 22", len(rows))
	}
	for _, row := range rows {
		user, key, timestamp, want := row[0], row[1], row[2], row[3]
		if got := Signature(key, timestamp, user); got != want {
			t.Errorf("%s %s: signature %s, want %s", user, timestamp, got, want)
		}
		if !Verify(key, timestamp, user, want) {
			t.Errorf("%s %s: the published signature does not verify", user, timestamp)
		}
		if Verify(key+"0", timestamp, user, want) || Verify(key, timestamp+" ", user, want) || Verify(key, timestamp, user, want[1:]) || Verify(key, timestamp, user, "") {
			t.Errorf("%s %s: a wrong signature verifies", user, timestamp)
		}
	}
}

func TestTimestampLayout(t *testing.T) {
	at := time.Date(2013, 6, 9, 14, 4, 54, 999, time.FixedZone("", -8*3600))
	if got, want := Timestamp(at), "2013-06-09T14:04:54-08:00"; got != want {
		t.Errorf("Timestamp = %s, want %s", got, want)
	}
	if got, want := Timestamp(at.UTC()), "2013-06-09T22:04:54+00:00"; got != want {
		t.Errorf("in UTC: %s, want %s", got, want)
	}
}
