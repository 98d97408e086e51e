package pseudonym

import (
	"crypto/rand"
	"io"
	"strings"
	"testing"
)

// A birthday stays none by being told in another zone: midnight in Chicago is 6:00 in UTC.
func TestBirthdays(t *testing.T) {
	for _, body := range []string{
		`{"result":[{"id":1,"dateOfBirth":"1970-02-03T06:00:00Z"}]}`,
		`{"result":[{"id":1,"Birthday__c":"1970-02-03 05:00:00"}]}`,
		`<attribute><attrName>DateofBirth</attrName><attrType>datetime</attrType><attrValue>1970-02-03T06:00:00Z</attrValue></attribute>`,
		`<attribute><attrName>DateofBirth</attrName><attrType>date</attrType><attrValue>1970-02-03T00:00:00-06:00</attrValue></attribute>`,
	} {
		m, err := New(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		masked, err := io.ReadAll(m.Body("", io.NopCloser(strings.NewReader(body))))
		if err != nil || strings.Contains(string(masked), "1970-02-03") || m.Counts()[Date] != 1 || !strings.Contains(string(masked), ":00:00") {
			t.Errorf("%v: %s", err, masked)
		}
	}
	m, _ := New(rand.Reader)
	if moment, _ := io.ReadAll(m.Body("", io.NopCloser(strings.NewReader(`{"lastMoment":"2026-02-03T06:00:00Z"}`)))); !strings.Contains(string(moment), "2026-02-03T06") {
		t.Errorf("a moment is lost: %s", moment)
	}
}
