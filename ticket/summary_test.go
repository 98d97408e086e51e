package ticket

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
)

// summaryOf is the SUMMARY.md of captures, at a time after begin.
func summaryOf(t testing.TB, after time.Duration, captures ...capture.Capture) string {
	t.Helper()
	o := options(t, dirOf(t, captures...))
	o.Now = begin.Add(after)
	o.Random = strings.NewReader(strings.Repeat("k", 1024))
	_, content := made(t, o)
	return content["SUMMARY.md"]
}

func TestSummary(t *testing.T) {
	var all []capture.Capture
	for n := range 3 {
		all = append(all, rest(n*50, "611", classify.ClassMarketo, "System error"))
	}
	got := summaryOf(t, 3*time.Hour, all...)
	want(t, "SUMMARY.md", got,
		"# REST 611 System error: 3 calls of syncLeads on 123-ABC-456\n",
		"| endpoint | https://123-ABC-456.mktorest.com/rest/v1/leads.json |\n",
		"| code | 611 |\n", "| meaning | System error. An exception that Marketo did not handle.",
		"| first | 2026-11-24 12:00:00 UTC = 2026-11-24 06:00:00 CST |\n| last | 2026-11-24 13:40:00 UTC = 2026-11-24 07:40:00 CST |\n",
		"| calls | 3, of which 3 attached |\n", "| answer | HTTP 200 |\n", "| duration | median 1.20 s of those attached, longest 1.20 s |\n",
		"each call was sent once", "the caller's clock agrees with Marketo's",
		"| 2026-11-24 12:00 | 2 |\n| 2026-11-24 13:00 | 1 |\n",
		"| 2026-11-24 12:50:00.000 | syncLeads | HTTP 200 | e42b#14272d00032 | "+id(50)+" |\n",
		"syncLeads writes: did any of the failed calls take effect", "(requestIds above)", "Complete: all failed calls")
	wantNot(t, "SUMMARY.md", got, "No ticket", "navy.mil", "access_token")
}

func TestUseless(t *testing.T) {
	off := func(c capture.Capture, by time.Duration) capture.Capture {
		return change(c, func(c *capture.Capture) {
			c.Attempts[0].Response.Headers[1].Value = c.Time.Add(by).Format("Mon, 02 Jan 2006 15:04:05 GMT")
		})
	}
	renewal := func(c capture.Capture, r capture.Renewal) capture.Capture {
		return change(c, func(c *capture.Capture) { c.Renewal = r })
	}
	expired := soap(1, "20016", classify.ClassRenew, "Request Expired (20016)")
	token := rest(1, "602", classify.ClassRenew, "Access token expired")
	refused := change(token, func(c *capture.Capture) {
		c.Renewal, c.RenewalError = capture.RenewalFailed, "the identity service answers 401: invalid_client: Bad client of ada.lovelace@analytical.org"
	})
	var burst []capture.Capture
	for n := range 30 {
		burst = append(burst, change(rest(0, "606", classify.ClassThrottled, "Max rate limit '100' exceeded with in '20' secs"), func(c *capture.Capture) {
			c.Time = c.Time.Add(time.Duration(n) * time.Second)
			c.ID = fmt.Sprintf("%s%012x", id(0)[:24], n)
		}))
	}
	atOnce := []capture.Capture{}
	for n := range 6 {
		atOnce = append(atOnce, change(soap(n, "20024", classify.ClassThrottled, "Concurrency Limit Exceeded (20024)"), func(c *capture.Capture) { c.DurationMS = 150_000 }))
	}
	for name, c := range map[string]struct {
		captures []capture.Capture
		after    time.Duration
		useful   bool
		says     string
	}{
		"quota":                {[]capture.Capture{soap(1, "20015", classify.ClassQuota, "Request Limit Exceeded (20015)")}, 11*time.Hour + 48*time.Minute, false, "resets in 6 h 12 min, at 00:00 US Central (2026-11-25 06:00 UTC)."},
		"quota of REST":        {[]capture.Capture{rest(1, "607", classify.ClassQuota, "Daily quota reached")}, time.Hour, false, "resets in 17 h, at 00:00 US Central"},
		"quota, the day after": {[]capture.Capture{rest(1, "607", classify.ClassQuota, "Daily quota reached")}, 20 * time.Hour, false, "It was reset 2 h ago, at 00:00 US Central (2026-11-25 06:00 UTC): calls pass again."},
		"rate":                 {burst, time.Hour, false, "In the worst 20 s, 20 rejected calls were captured. Marketo allows 100 in 20 s"},
		"concurrency":          {atOnce, time.Hour, false, "At most 3 captured calls were in flight at once."},
		"caller":               {[]capture.Capture{soap(1, "20110", classify.ClassCaller, "Input error (20110)")}, time.Hour, false, ""},
		"access":               {[]capture.Capture{rest(1, "603", classify.ClassAccess, "Access denied")}, time.Hour, false, "permissions"},
		"answer":               {[]capture.Capture{soap(1, "20103", classify.ClassAnswer, "Lead not found (20103)")}, time.Hour, false, "empty result"},
		"clock behind":         {[]capture.Capture{off(expired, 7*time.Minute)}, time.Hour, false, "The clock of the proxy's host is 7 min behind Marketo's"},
		"clock ahead":          {[]capture.Capture{off(renewal(expired, capture.RenewalFailed), -time.Hour)}, time.Hour, false, "1 h ahead of Marketo's"},
		"no key":               {[]capture.Capture{renewal(expired, capture.NoCredential)}, time.Hour, false, "key"},
		"another key":          {[]capture.Capture{renewal(expired, capture.BadSignature)}, time.Hour, false, "one of the two is wrong"},
		"never":                {[]capture.Capture{renewal(expired, capture.RenewalDisabled)}, time.Hour, false, "with --sign=expired it heals"},
		"fresh and expired":    {[]capture.Capture{renewal(expired, capture.RenewalFailed)}, time.Hour, true, "Why was a credential rejected as expired"},
		"token, no secret":     {[]capture.Capture{renewal(token, capture.NoCredential)}, time.Hour, false, "no new access token fetched, the proxy has no secret of this client."},
		"token, not issued":    {[]capture.Capture{renewal(token, capture.BadSignature)}, time.Hour, false, "fetch its tokens through the proxy"},
		"token, another clock": {[]capture.Capture{off(renewal(token, capture.BadSignature), time.Hour)}, time.Hour, false, "fetch its tokens through the proxy"},
		"token, never":         {[]capture.Capture{renewal(token, capture.RenewalDisabled)}, time.Hour, false, "no new access token fetched, by configuration."},
		"token, body":          {[]capture.Capture{renewal(token, capture.UnsupportedBody)}, time.Hour, false, "their bodies were not kept whole"},
		"token, refused":       {[]capture.Capture{refused}, time.Hour, false, `1 call: not sent again, no new access token could be had (the identity service answers 401: `},
		"token, fresh":         {[]capture.Capture{renewal(token, capture.RenewalFailed), refused}, time.Hour, true, "1 call: a new access token fetched, sent once more, failed again; 1 call: not sent again"},
		"healed":               {[]capture.Capture{healed(1)}, time.Hour, false, "Nothing failed for the application"},
		"client":               {[]capture.Capture{change(lost(1), func(c *capture.Capture) { c.Outcome = classify.Client })}, time.Hour, false, "the longest of these calls had taken 1.20 s"},
		"transport":            {[]capture.Capture{lost(1)}, time.Hour, true, "Did these calls reach Marketo"},
		"refused": {[]capture.Capture{change(lost(1), func(c *capture.Capture) {
			c.API, c.Operation, c.Attempts[0].Error = classify.REST, "syncLeadUsingPOST", "refused: the connection to Marketo was refused"
		})}, time.Hour, true, "1. No connection to Marketo came about (see the message). Was the endpoint to be reached at these times, and from our address?\n2. What can we change"},
		"unknown code": {[]capture.Capture{soap(1, "20112", classify.ClassUnknown, "New (20112)")}, time.Hour, true, "What does code 20112 mean"},
		"gateway": {[]capture.Capture{change(soap(1, "", classify.ClassUnknown, "502 Bad Gateway"), func(c *capture.Capture) { c.Outcome = classify.HTTP })},
			time.Hour, true, "Which system on your side"},
	} {
		t.Run(name, func(t *testing.T) {
			got := summaryOf(t, c.after, c.captures...)
			lines := strings.SplitN(got, "\n", 4)
			if first := strings.HasPrefix(lines[2], "**No ticket for this: Marketo's support can't help.**"); first == c.useful {
				t.Errorf("says so first: %t\n%s", first, got)
			}
			want(t, "SUMMARY.md", got, c.says)
			wantNot(t, "SUMMARY.md", got, "analytical.org")
			if c.useful != strings.Contains(got, "**Asked of Marketo's support**") {
				t.Errorf("asks: %s", got)
			}
		})
	}
}

// Several kinds: the most useful for support first, each in its own section.
func TestSections(t *testing.T) {
	got := summaryOf(t, time.Hour, soap(1, "20103", classify.ClassAnswer, "Lead not found (20103)"), soap(2, "20103", classify.ClassAnswer, "Lead not found (20103)"),
		rest(3, "611", classify.ClassMarketo, "System error"), lost(4))
	want(t, "SUMMARY.md", got, "# Marketo 123-ABC-456: 4 calls failed in 3 ways\n", "| SOAP 20103 Lead Not Found | 2 | 2026-11-24 12:02:00 | no |\n")
	at := -1
	for _, heading := range []string{"## REST 611", "## SOAP transport", "## SOAP 20103", "# About this ticket"} {
		next := strings.Index(got, heading)
		if next <= at {
			t.Errorf("%s is not where it belongs:\n%s", heading, got)
		}
		at = next
	}
}

// What the answer says can't format the summary, nor name a person in it.
func TestHostileSummary(t *testing.T) {
	got := summaryOf(t, time.Hour, change(soap(1, "20110", classify.ClassCaller, "x"), func(c *capture.Capture) {
		c.Message = "bad | cell\n# heading <script>alert(1)</script> [link](http://evil.example.com) `code` \x1b[2J\u202e someone@corp.org"
		c.User = "a|b\n\n# c"
		c.Operation = "<b>"
	}))
	for _, line := range strings.Split(got, "\n") {
		if strings.HasPrefix(line, "# ") && !strings.HasPrefix(line, "# SOAP 20110") && !strings.HasPrefix(line, "# About") {
			t.Errorf("a heading: %s", line)
		}
	}
	wantNot(t, "SUMMARY.md", got, "<script", "<b>", "\x1b", "\u202e", "corp.org", "a|b", " [")
}

func TestHistogram(t *testing.T) {
	for _, c := range []struct {
		step  time.Duration
		n     int
		lines []string
		not   string
	}{
		{time.Minute, 5, nil, "(UTC) | calls |"},
		{time.Hour, 4, []string{"| hour (UTC) | calls |", "| 2026-11-24 12:00 | 1 |\n| 2026-11-24 13:00 | 1 |"}, "| day"},
		{30 * time.Hour, 4, []string{"| day (UTC) | calls |", "| 2026-11-24 | 1 |\n| 2026-11-25 | 1 |\n| 2026-11-27 | 1 |\n| 2026-11-28 | 1 |"}, "| hour"},
	} {
		var all []capture.Capture
		for n := range c.n {
			all = append(all, soap(n*int(c.step/time.Minute), "20011", classify.ClassMarketo, "Internal Error"))
		}
		got := summaryOf(t, 1000*time.Hour, all...)
		want(t, c.step.String(), got, c.lines...)
		wantNot(t, c.step.String(), got, c.not)
	}
}

func TestWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s", 59*time.Second + 400*time.Millisecond: "59 s", 90 * time.Second: "2 min", time.Hour: "1 h", 6*time.Hour + 12*time.Minute: "6 h 12 min",
		-3 * time.Minute: "3 min", 49 * time.Hour: "2 d 1 h", 72 * time.Hour: "3 d", 59*time.Minute + 59*time.Second: "1 h",
	} {
		if got := words(d); got != want {
			t.Errorf("%s: %q, not %q", d, got, want)
		}
	}
}

// A quota resets at midnight in Chicago, in summer and winter and on the days between.
func TestNextMidnight(t *testing.T) {
	for at, want := range map[string]string{
		"2026-07-01T04:59:59Z": "2026-07-01T05:00:00Z", "2026-07-01T05:00:00Z": "2026-07-02T05:00:00Z", "2026-11-24T12:00:00Z": "2026-11-25T06:00:00Z",
		"2026-11-01T05:30:00Z": "2026-11-02T06:00:00Z", "2027-03-14T12:00:00Z": "2027-03-15T05:00:00Z",
	} {
		in, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := nextMidnight(in).UTC().Format(time.RFC3339); got != want {
			t.Errorf("%s: %s, not %s", at, got, want)
		}
	}
}
