//go:build linux

package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"marketo-proxy/built"
)

// maxMemory is what the process may ever have had in memory, whatever passed through it.
const maxMemory = 64 << 20

var highWater = regexp.MustCompile(`(?m)^VmHWM:\s+(\d+) kB$`)

// flat fails the test if the process ever took more than maxMemory.
func (s *server) flat() {
	s.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	m := highWater.FindSubmatch(status)
	if m == nil {
		s.t.Fatalf("no VmHWM: %s", status)
	}
	kib, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Logf("at most %d MiB in memory", kib>>10)
	if kib<<10 > maxMemory {
		s.t.Errorf("%d MiB in memory, more than %d", kib>>10, maxMemory>>20)
	}
}

// An answer of a gigabyte passes byte for byte, its first byte early, and so do large failures. Each has a process of its own,
// since what counts is the highest mark.
func TestLargeAnswer(t *testing.T) {
	marketo := start(t, program(built.Plain), nil, "emulate", "--listen=127.0.0.1:0", "--window-limit=0")
	base := emulated(t, marketo)
	for _, c := range []struct {
		name, size, operation, fail, outcome string
		bytes                                int64
		door                                 string
	}{
		{name: "success", size: "1GiB", operation: "getLead", bytes: 1 << 30, door: "reverse"},
		{name: "success in a tunnel", size: "256MiB", operation: "getLead", bytes: 256 << 20, door: "intercepted"},
		{name: "gzip", size: "256MiB", operation: "getLead", fail: "gzip", door: "reverse"},
		{name: "fault", size: "256MiB", operation: "getLead", fail: "20011", outcome: "fault", bytes: 256 << 20, door: "reverse"},
		{name: "cut", size: "256MiB", operation: "getLead", fail: "cut=200MiB", outcome: "transport", bytes: 200 << 20, door: "reverse"},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := serve(t, setup{program: built.Plain, upstream: base})
			request := getLead(credential{})
			header := []string{callHeader, newCall(), sizeHeader, c.size}
			if c.fail != "" {
				header = append(header, failHeader, c.fail)
			}
			through, first := digest(t, srv.door(c.door), request, header)
			direct, _ := digest(t, &door{client: srv.door("reverse").client, soap: base}, request, header)
			if through.sum != direct.sum || through.size != direct.size || through.cut != direct.cut || c.bytes != 0 && through.size != c.bytes {
				t.Errorf("%+v came through, %+v directly; want %d bytes", through, direct, c.bytes)
			}
			if c.outcome == "" && first > through.took/2 && through.took > time.Second {
				t.Errorf("the first byte came after %s of %s", first, through.took)
			}
			srv.flat()
			if c.outcome == "" {
				return
			}
			got := srv.captureOf(header[1])
			body := got.Attempts[0].Response.Body
			if got.Outcome != c.outcome || got.Complete || body.Size != c.bytes || body.SHA256 != through.sum || !body.Truncated && c.outcome != "transport" {
				t.Errorf("captured as %s, complete %v, body of %d bytes, truncated %v, hash %q, want %s", got.Outcome, got.Complete, body.Size, body.Truncated,
					body.SHA256, through.sum)
			}
		})
	}
}

// arrived is what came of a large answer.
type arrived struct {
	size int64
	sum  string
	cut  bool
	took time.Duration
}

// digest reads an answer of any size; first is when its first byte came.
func digest(t *testing.T, d *door, request string, header []string) (a arrived, first time.Duration) {
	t.Helper()
	began := time.Now()
	resp, err := d.open(context.Background(), http.MethodPost, soapPath, strings.NewReader(request), header...)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	h := sha256.New()
	var one [1]byte
	if _, err := io.ReadFull(resp.Body, one[:]); err != nil {
		t.Fatal(err)
	}
	first = time.Since(began)
	h.Write(one[:])
	n, err := io.Copy(h, resp.Body)
	return arrived{n + 1, hex.EncodeToString(h.Sum(nil)), err != nil, time.Since(began)}, first
}

var servesAt = regexp.MustCompile(`serves at (\S+)`)

// emulated waits for an emulator's address.
func emulated(t *testing.T, p *process) string {
	t.Helper()
	base := ""
	eventually(t, "emulate says where it listens", func() (bool, string) {
		if m := servesAt.FindStringSubmatch(p.stdout.String()); m != nil {
			base = m[1]
		}
		return base != "", p.stderr.String()
	})
	return base
}

// A large request passes byte for byte; one that had expired is healed with only the two values changed.
func TestLargeRequest(t *testing.T) {
	for _, c := range []struct {
		name    string
		expired bool
		chunked bool
		partial bool
		sign    string
	}{
		{name: "passes"},
		{name: "healed", expired: true},
		{name: "healed in chunks", expired: true, chunked: true},
		{name: "partial", partial: true},
		{name: "signed", sign: "always"},
	} {
		t.Run(c.name, func(t *testing.T) {
			size := int64(300 << 20)
			if c.chunked || c.partial || c.sign != "" {
				size = 100 << 20
			}
			marketo := &largeSink{refuse: c.expired, partial: c.partial}
			upstream := newPlainUpstream(t, marketo)
			args := []string{}
			if c.sign != "" {
				args = append(args, "--sign="+c.sign)
			}
			srv := serve(t, setup{program: built.Plain, upstream: upstream, args: args})
			auth := credential{}
			if c.expired {
				auth.age = time.Hour
			}
			if c.sign != "" {
				auth.key = "the application has none"
			}
			head, rest := largeRequest(auth, size)
			req, err := http.NewRequest(http.MethodPost, srv.door("reverse").url(soapPath), io.MultiReader(strings.NewReader(head), rest()))
			if err != nil {
				t.Fatal(err)
			}
			call := newCall()
			req.Header.Set("Content-Type", "text/xml; charset=UTF-8")
			req.Header.Set(callHeader, call)
			if !c.chunked {
				req.ContentLength = int64(len(head)) + size
			}
			resp, err := srv.door("reverse").client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || resp.StatusCode != http.StatusOK {
				t.Fatalf("%d %s %v", resp.StatusCode, answer, err)
			}
			h, all := sha256.New(), sha256.New()
			_, _ = io.WriteString(all, head)
			if _, err := io.Copy(io.MultiWriter(h, all), rest()); err != nil {
				t.Fatal(err)
			}
			want := hex.EncodeToString(h.Sum(nil))
			if n := map[bool]int{true: 2, false: 1}[c.expired]; len(marketo.got) != n {
				t.Fatalf("%d attempts, want %d", len(marketo.got), n)
			}
			for i, g := range marketo.got {
				same := g.head == head
				if i == 1 || c.sign != "" {
					same = g.head != head && authenticated.ReplaceAllString(g.head, "") == authenticated.ReplaceAllString(head, "") && verifies(g.head)
				}
				if !same || g.size != size || hex.EncodeToString(g.rest.Sum(nil)) != want {
					t.Errorf("attempt %d: %d bytes after the head, head %.900s", i+1, g.size, g.head)
				}
			}
			srv.flat()
			if c.partial {
				got := srv.captureOf(call) // it may take longer than the answer waits
				if body := got.Attempts[0].Request.Body; got.Outcome != "partial" || got.Complete || !body.Truncated || body.Size != req.ContentLength ||
					body.SHA256 != hex.EncodeToString(all.Sum(nil)) {
					t.Errorf("captured as %s, complete %v, request of %d bytes, truncated %v, hash %q", got.Outcome, got.Complete, body.Size, body.Truncated, body.SHA256)
				}
			}
		})
	}
}

var authValues = regexp.MustCompile(`<mktowsUserId>(.*)</mktowsUserId><requestSignature>(.*)</requestSignature><requestTimestamp>(.*)</requestTimestamp>`)

// verifies tells whether a head is signed rightly and just now.
func verifies(head string) bool {
	m := authValues.FindStringSubmatch(head)
	if m == nil || m[2] != signature(key, m[3], m[1]) {
		return false
	}
	at, err := time.Parse(timestampLayout, m[3])
	return err == nil && time.Since(at).Abs() < 5*time.Minute
}

// largeRequest is a syncMultipleLeads whose records, and what ends it, are size bytes; they can be read again and again.
func largeRequest(auth credential, size int64) (head string, rest func() io.Reader) {
	whole := envelope(auth, "syncMultipleLeads", "<leadRecordList>|")
	head, end, _ := strings.Cut(whole, "|")
	end = "</leadRecordList>" + end
	record := []byte("<leadRecord><Email>someone@example.com</Email><leadAttributeList><attribute><attrName>FirstName</attrName><attrValue>Ada &amp; Co</attrValue></attribute></leadAttributeList></leadRecord>\n")
	block := bytes.Repeat(record, 256)
	blocks := (size - int64(len(end))) / int64(len(block))
	padding := size - int64(len(end)) - blocks*int64(len(block))
	return head, func() io.Reader {
		return io.MultiReader(&repeated{block: block, left: blocks * int64(len(block))}, strings.NewReader(strings.Repeat(" ", int(padding))+end))
	}
}

// repeated reads a block over and over.
type repeated struct {
	block []byte
	left  int64
	at    int
}

func (r *repeated) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(int64(len(p)), r.left)], r.block[r.at:])
	r.at = (r.at + n) % len(r.block)
	r.left -= int64(n)
	return n, nil
}

// largeSink is an upstream that reads a large request without keeping it. Its calls come one after the other.
type largeSink struct {
	refuse  bool // the first one, as expired
	partial bool
	got     []sunk
}

type sunk struct {
	head string
	size int64
	rest hash.Hash
}

func (s *largeSink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	end := []byte("<leadRecordList>")
	var head []byte
	buf := make([]byte, 64<<10)
	g := sunk{rest: sha256.New()}
	for {
		n, err := r.Body.Read(buf)
		p := buf[:n]
		if g.head == "" {
			head = append(head, p...)
			p = nil
			if i := bytes.Index(head, end); i >= 0 {
				g.head, p = string(head[:i+len(end)]), head[i+len(end):]
			}
		}
		g.rest.Write(p)
		g.size += int64(len(p))
		if err != nil {
			break
		}
	}
	s.got = append(s.got, g)
	switch {
	case s.refuse && len(s.got) == 1:
		replies(http.StatusInternalServerError, "text/xml", fault("20016", "Request Expired"))(w, r)
	case s.partial:
		replies(http.StatusOK, "text/xml", success("syncMultipleLeads", `<syncStatusList><syncStatus><leadId>0</leadId><status>FAILED</status><error>no</error></syncStatus></syncStatusList>`))(w, r)
	default:
		replies(http.StatusOK, "text/xml", success("syncMultipleLeads", `<syncStatusList><syncStatus><leadId>1</leadId><status>CREATED</status></syncStatus></syncStatusList>`))(w, r)
	}
}
