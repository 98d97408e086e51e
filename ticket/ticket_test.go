package ticket

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"filippo.io/age"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
)

func TestTicket(t *testing.T) {
	dir := dirOf(t,
		soap(1, "20011", classify.ClassMarketo, "Internal Error (20011)"), rest(2, "611", classify.ClassMarketo, "System error"),
		lost(3), healed(4), soap(5, "20103", classify.ClassAnswer, "No lead found with EMAIL = ada.lovelace@analytical.org (20103)"),
	)
	o := options(t, dir)
	var out bytes.Buffer
	r, err := Write(context.Background(), &out, o)
	if err != nil {
		t.Fatal(err)
	}
	content, order := files(t, out.Bytes())

	if want := []string{"exchanges.har", "SUMMARY.md", "masked.json", "manifest.json"}; !slices.Equal(order[len(order)-4:], want) {
		t.Errorf("%v", order)
	}
	for _, name := range []string{
		"exchanges/" + id(1) + "/attempt-1/request.http", "exchanges/" + id(1) + "/attempt-1/request.xml", "exchanges/" + id(1) + "/attempt-1/response.http",
		"exchanges/" + id(1) + "/attempt-1/response.xml", "exchanges/" + id(2) + "/attempt-1/request.json", "exchanges/" + id(2) + "/attempt-1/response.json",
		"exchanges/" + id(3) + "/attempt-1/response.error.txt", "exchanges/" + id(4) + "/attempt-2/response.xml",
	} {
		if content[name] == "" {
			t.Errorf("there is no %s in %v", name, order)
		}
	}
	for name, text := range content {
		wantNot(t, name, text, "ada.lovelace", "analytical.org", "grace.hopper", "Hopper")
	}
	request := content["exchanges/"+id(2)+"/attempt-1/request.http"]
	head, body, _ := strings.Cut(request, "\r\n\r\n")
	want(t, "request.http", head, "POST /rest/v1/leads.json?access_token=REDACTED HTTP/1.1\r\nHost: 123-ABC-456.mktorest.com\r\nAuthorization: Bearer REDACTED\r\n")
	if body != content["exchanges/"+id(2)+"/attempt-1/request.json"] {
		t.Errorf("the body in %q is another one than alone", request)
	}
	want(t, "request.json", body, `"action":"createOrUpdate"`, `"lookupField":"email"`, "@example.com")
	want(t, "response.error.txt", content["exchanges/"+id(3)+"/attempt-1/response.error.txt"], "reset")

	var names []string
	for _, k := range r.Kinds {
		names = append(names, k.Name)
		if k.Found != 1 || k.Included != 1 {
			t.Errorf("%+v", k)
		}
	}
	if got := strings.Join(names, "; "); got != "REST 611 System error; SOAP 20011 Internal Error; SOAP transport (No whole answer); SOAP 20103 Lead Not Found; SOAP 20016, healed by the proxy" {
		t.Errorf("kinds: %s", got)
	}
	if r.Masked["email"] == 0 || r.Secrets == 0 || len(r.Missing) != 0 {
		t.Errorf("%+v", r)
	}
	checkManifest(t, content, "yes")
	var h struct {
		Log struct{ Entries []json.RawMessage }
	}
	if err := json.Unmarshal([]byte(content["exchanges.har"]), &h); err != nil || len(h.Log.Entries) != 6 {
		t.Errorf("HAR: %v, %d entries", err, len(h.Log.Entries))
	}
}

// checkManifest holds the manifest against the files.
func checkManifest(t testing.TB, content map[string]string, complete string) manifest {
	t.Helper()
	var m manifest
	if err := json.Unmarshal([]byte(content["manifest.json"]), &m); err != nil {
		t.Fatal(err)
	}
	if m.Complete != complete || len(m.Files) != len(content)-1 || m.MadeBy.Version != "v9" {
		t.Errorf("%+v", m)
	}
	for _, f := range m.Files {
		text, ok := content[f.Path]
		if sum := sha256.Sum256([]byte(text)); !ok || f.Size != int64(len(text)) || f.SHA256 != hex.EncodeToString(sum[:]) {
			t.Errorf("%+v is not what is there", f)
		}
	}
	var masked struct {
		Replaced map[string]int
		Secrets  int `json:"secrets_redacted"`
	}
	if err := json.Unmarshal([]byte(content["masked.json"]), &masked); err != nil {
		t.Error(err)
	}
	return m
}

// What was masked is counted once, however many files repeat it.
func TestMaskedCounts(t *testing.T) {
	c := rest(1, "611", classify.ClassMarketo, "System error")
	r, _ := made(t, options(t, dirOf(t, c)))
	if r.Masked["email"] != 1 || r.Secrets != 3 { // the URL, Authorization and Set-Cookie
		t.Errorf("%v, %d secrets", r.Masked, r.Secrets)
	}
}

// The zip is the same whenever it is made, but for the key of the pseudonyms and the time.
func TestDeterministic(t *testing.T) {
	dir := dirOf(t, soap(1, "20011", classify.ClassMarketo, "Internal Error"), rest(2, "611", classify.ClassMarketo, "System error"))
	var zips [2]bytes.Buffer
	for i := range zips {
		o := options(t, dir)
		o.Random = strings.NewReader(strings.Repeat("k", 1024))
		if _, err := Write(context.Background(), &zips[i], o); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(zips[0].Bytes(), zips[1].Bytes()) {
		t.Error("two zips of the same differ")
	}
	r, err := zip.NewReader(bytes.NewReader(zips[0].Bytes()), int64(zips[0].Len()))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.File {
		if !f.Modified.Equal(begin.Add(2 * time.Minute)) {
			t.Errorf("%s is of %s", f.Name, f.Modified)
		}
	}
}

func TestChoice(t *testing.T) {
	var all []capture.Capture
	for n := range 50 {
		all = append(all, soap(n, "20011", classify.ClassMarketo, "Internal Error"))
	}
	all = append(all, rest(51, "611", classify.ClassMarketo, "System error"))
	dir := dirOf(t, all...)
	o := options(t, dir)
	o.PerCode = 5
	r, content := made(t, o)
	var taken []string
	for name := range content {
		if dir, ok := strings.CutSuffix(name, "/attempt-1/request.http"); ok {
			taken = append(taken, strings.TrimPrefix(dir, "exchanges/"))
		}
	}
	slices.Sort(taken)
	if len(taken) != 6 || taken[0] != id(0) || taken[4] != id(49) || taken[5] != id(51) {
		t.Errorf("%v", taken)
	}
	if r.Kinds[0].Found != 50 || r.Kinds[0].Included != 5 || len(r.Missing) != 1 {
		t.Errorf("%+v", r)
	}
	want(t, "SUMMARY.md", content["SUMMARY.md"], "45 of 50 failed calls with SOAP 20011 are counted, but not attached", "| 50, of which 5 attached |")
	checkManifest(t, content, "no")

	o.IDs, o.Query = []string{id(3), id(7)[:18] + "-8000", id(3)}, capture.Query{}
	o.IDs = []string{id(3), id(7), id(3)}
	if r, _ := made(t, o); len(r.Kinds) != 1 || r.Kinds[0].Found != 2 || r.Kinds[0].Included != 2 {
		t.Errorf("%+v", r)
	}
	o.IDs = []string{id(3), "019dc0de-0000-7000-8000-000000000000"}
	if _, err := Write(context.Background(), io.Discard, o); !errors.Is(err, capture.ErrNotFound) {
		t.Errorf("an unknown id: %v", err)
	}
}

// With nothing asked for it is the last hour that is searched.
func TestLastHour(t *testing.T) {
	dir := dirOf(t, soap(0, "20011", classify.ClassMarketo, "Internal Error"), soap(70, "20011", classify.ClassMarketo, "Internal Error"))
	o := options(t, dir)
	o.Query = capture.Query{}
	if r, _ := made(t, o); r.Kinds[0].Found != 1 {
		t.Errorf("%+v", r)
	}
	o.Now = begin.Add(5 * time.Hour)
	var nothing *NothingError
	var out bytes.Buffer
	_, err := Write(context.Background(), &out, o)
	if !errors.As(err, &nothing) || out.Len() != 0 || !nothing.Nearest.Equal(begin.Add(70*time.Minute)) || !nothing.Query.Since.Equal(begin.Add(4*time.Hour)) {
		t.Errorf("%+v, %v", nothing, err)
	}
	o.Query.Codes = []string{"10001"}
	if _, err = Write(context.Background(), &out, o); !errors.As(err, &nothing) || !nothing.Nearest.IsZero() || nothing.Newest.IsZero() {
		t.Errorf("%+v, %v", nothing, err)
	}
}

func TestMaxSize(t *testing.T) {
	big := strings.Repeat("<x>data</x>", 20_000) // 220 KB
	var all []capture.Capture
	for n := range 12 {
		all = append(all, change(soap(n, "20011", classify.ClassMarketo, "Internal Error"), func(c *capture.Capture) {
			c.Attempts[0].Response.Body.Text = "<all>" + big + "</all>"
			c.Attempts[0].Response.Body.Size = int64(len(big))
		}))
	}
	dir := dirOf(t, all...)
	for _, size := range []int64{MinSize, 200 << 10, 1 << 20, 2 << 20, 5 << 20, 20 << 20} {
		o := options(t, dir)
		o.MaxSize = size
		r, content := made(t, o)
		sum := 0
		for _, text := range content {
			sum += len(text)
		}
		included := r.Kinds[0].Included
		t.Logf("%d bytes of %d, %d exchanges", sum, size, included)
		if int64(sum) > size || included < 2 {
			t.Errorf("%d bytes of %d, %d exchanges", sum, size, included)
		}
		if cut := strings.Contains(content["manifest.json"], "cut after"); cut != (size <= 1<<20) || cut && included != 2 {
			t.Errorf("%d: cut %t, %d exchanges: %v", size, cut, included, r.Missing)
		}
		for _, n := range []int{0, 11} {
			if content["exchanges/"+id(n)+"/attempt-1/request.xml"] == "" {
				t.Errorf("%d: %d is not there", size, n)
			}
		}
		checkManifest(t, content, map[bool]string{true: "yes", false: "no"}[size == 20<<20])
	}
}

// A cut falls where something ends, and never within the word that stands for a secret.
func TestCutter(t *testing.T) {
	text := "<a>REDACTED</a>\nx=REDACTED&y," + strings.Repeat("data>", 10_000)
	for _, limit := range []int{0, 1, 3, 5, 11, 15, 16, 20, 26, 27, 28, 4094, 4095, 4096, 4097, 10_000, 50_028, len(text) - 1, len(text), len(text) + 1} {
		cut := false
		in := bufio.NewReader(iotest.HalfReader(strings.NewReader(text)))
		got, err := io.ReadAll(&cutter{r: in, left: int64(limit), cut: func() { cut = true }})
		if err != nil || cut != (limit < len(text)) || !strings.HasPrefix(text, string(got)) || len(got) > limit || len(got) < min(limit, len(text))-12 {
			t.Errorf("%d: %d bytes, %v, %v", limit, len(got), cut, err)
		}
		if end := string(got[max(0, len(got)-1):]); len(got) > 3 && !strings.Contains("\n>,&", end) {
			t.Errorf("%d: it ends in %q", limit, end)
		}
	}
}

func TestUnmasked(t *testing.T) {
	o := options(t, dirOf(t, rest(1, "611", classify.ClassMarketo, "System error")))
	o.Unmasked = true
	r, content := made(t, o)
	want(t, "request.json", content["exchanges/"+id(1)+"/attempt-1/request.json"], "grace.hopper@navy.mil")
	want(t, "SUMMARY.md", content["SUMMARY.md"], "not masked")
	if r.Masked != nil || r.Secrets != 3 {
		t.Errorf("%+v", r)
	}
}

func TestLeaks(t *testing.T) {
	const key = "899756834129871744AAEE88DDCC77"
	for name, c := range map[string]struct {
		by       func(*capture.Capture)
		unmasked bool
		file     string
		what     string
	}{
		"an address where the masker keeps what stands there": {
			by:   func(c *capture.Capture) { c.ID = "../someone@corp.org" },
			file: "exchanges.har", what: "e-mail",
		},
		"a signature": {
			by: func(c *capture.Capture) {
				b := &c.Attempts[0].Request.Body
				b.Text = strings.Replace(b.Text, "REDACTED", "ffbff4d4bef354807481e66dc7540f7890523a87", 1)
			},
			unmasked: true, file: "request.http", what: "secret",
		},
		"a token in the URL": {
			by:       func(c *capture.Capture) { c.Attempts[0].Request.URL += "?access_token=abc" },
			unmasked: true, file: "request.http", what: "secret",
		},
		"a header": {
			by: func(c *capture.Capture) {
				c.Attempts[0].Request.Headers = append(c.Attempts[0].Request.Headers, capture.HeaderLine{Name: "Authorization", Value: "Bearer x1234"})
			},
			unmasked: true, file: "request.http", what: "secret",
		},
		"a cookie": {
			by:       func(c *capture.Capture) { c.Attempts[0].Response.Headers[2].Value = "a=b; path=/" },
			unmasked: true, file: "response.http", what: "secret",
		},
		"a known key": {
			by:       func(c *capture.Capture) { c.Attempts[0].Response.Body.Text = "<x>" + key + "</x>" },
			unmasked: true, file: "response.http", what: "known keys",
		},
		"a known key in a message": {
			by:       func(c *capture.Capture) { c.Message = "wrong key " + key },
			unmasked: true, file: "exchanges.har", what: "known keys",
		},
	} {
		t.Run(name, func(t *testing.T) {
			bad := change(soap(1, "20011", classify.ClassMarketo, "Internal Error"), c.by)
			o := options(t, dirOf(t, bad))
			o.Unmasked, o.Secrets = c.unmasked, []string{key}
			var out bytes.Buffer
			_, err := Write(context.Background(), &out, o)
			var leak *LeakError
			if !errors.As(err, &leak) || out.Len() != 0 {
				t.Fatalf("%v, %d bytes", err, out.Len())
			}
			if !strings.HasSuffix(leak.File, c.file) || !strings.Contains(leak.What, c.what) {
				t.Errorf("%+v", leak)
			}
			wantNot(t, "the error", err.Error(), "corp.org", "ffbff4", "abc", "x1234", "a=b", key)
		})
	}
}

func TestEncrypted(t *testing.T) {
	classic, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	dir := dirOf(t, soap(1, "20011", classify.ClassMarketo, "Internal Error"))
	for _, c := range []struct {
		recipient age.Recipient
		identity  age.Identity
	}{{classic.Recipient(), classic}, {hybrid.Recipient(), hybrid}} {
		o := options(t, dir)
		o.Recipients = []age.Recipient{c.recipient}
		var out bytes.Buffer
		if _, err := Write(context.Background(), &out, o); err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(out.Bytes(), []byte("SUMMARY.md")) || !bytes.HasPrefix(out.Bytes(), []byte("age-encryption.org/v1\n")) {
			t.Error("it is not encrypted")
		}
		head, _, _ := bytes.Cut(out.Bytes(), []byte("\n---"))
		if n := bytes.Count(head, []byte("\n-> ")); n != 1 {
			t.Errorf("%d recipients", n)
		}
		plain, err := age.Decrypt(&out, c.identity)
		if err != nil {
			t.Fatal(err)
		}
		z, err := io.ReadAll(plain)
		if err != nil {
			t.Fatal(err)
		}
		content, _ := files(t, z)
		checkManifest(t, content, "yes")
	}
	// What leaks is found in an encrypted ticket, too.
	o := options(t, dirOf(t, change(soap(1, "20011", classify.ClassMarketo, "x"), func(c *capture.Capture) { c.Attempts[0].Request.URL += "?access_token=abc" })))
	o.Recipients, o.Unmasked = []age.Recipient{classic.Recipient()}, true
	var leak *LeakError
	if _, err := Write(context.Background(), io.Discard, o); !errors.As(err, &leak) {
		t.Errorf("%v", err)
	}
}

func TestDamage(t *testing.T) {
	dir := dirOf(t, soap(1, "20011", classify.ClassMarketo, "Internal Error"))
	if err := os.WriteFile(dir+"/20261124T130000.000Z-00000000.jsonl", []byte("{\"id\":\"x\"\nnonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := options(t, dir)
	o.Query = capture.Query{Codes: []string{"20011"}}
	r, content := made(t, o)
	t.Log(r.Missing)
	if len(r.Missing) == 0 || r.Kinds[0].Included != 1 {
		t.Errorf("%+v", r)
	}
	checkManifest(t, content, "no")
}

// Nothing comes out, and nothing stays, when it is interrupted or the disk is full.
func TestInterrupted(t *testing.T) {
	o := options(t, dirOf(t, soap(1, "20011", classify.ClassMarketo, "Internal Error")))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out bytes.Buffer
	if _, err := Write(ctx, &out, o); !errors.Is(err, context.Canceled) || out.Len() != 0 {
		t.Errorf("%v, %d bytes", err, out.Len())
	}
	full := errors.New("no space")
	if _, err := Write(context.Background(), failing{full}, o); !errors.Is(err, full) {
		t.Errorf("%v", err)
	}
	left, err := os.ReadDir(o.Dir)
	if err != nil || len(left) != 0 {
		t.Errorf("%v, %v", left, err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
