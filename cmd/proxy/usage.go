package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"marketo-proxy/classify"
	"marketo-proxy/identity"
	"marketo-proxy/metrics"
	"marketo-proxy/redact"
	"marketo-proxy/sign"
)

const (
	usagePatience = 30 * time.Second
	maxUsage      = 4 << 20 // bytes of an answer; a user takes some 60
)

// usageReport is what Marketo counted today. Its JSON is what --json prints.
type usageReport struct {
	Instance  string      `json:"instance"`
	Date      string      `json:"date"` // as Marketo gives it, in its own zone; empty: it has counted nothing
	Ends      time.Time   `json:"day_ends"`
	Calls     int64       `json:"calls"`
	Limit     int         `json:"limit"`
	Percent   float64     `json:"percent"`
	Users     []usageUser `json:"users"`
	Errors    int64       `json:"errors"`
	ErrorList []usageCode `json:"errors_by_code"`
}

type usageUser struct {
	User  string `json:"user"`
	Calls int64  `json:"calls"`
}

type usageCode struct {
	Code    string         `json:"code"`
	Count   int64          `json:"count"`
	Class   classify.Class `json:"class"`
	Meaning string         `json:"meaning"`
}

// usage asks Marketo what it has counted today.
func (c *checkCommand) usage(w *world) error {
	m, err := c.marketo()
	if err != nil {
		return usageError{fmt.Errorf("check --usage: %w", err)}
	}
	defer m.transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeoutCause(w.ctx, usagePatience, fmt.Errorf("no answer within %s", usagePatience))
	defer cancel()
	now := w.clock(false)
	r, err := m.report(ctx, now, c.RESTDayLimit)
	if err != nil {
		return fmt.Errorf("check --usage: %s", printable(redact.New(m.secrets...).Text(err.Error())))
	}
	r.Instance = cmp.Or(c.Instance, m.base.Host)
	if c.JSON {
		out := w.stdout
		if w.screen().terminal {
			out = &harmlessWriter{w: out, json: true}
		}
		encoder := json.NewEncoder(out)
		encoder.SetEscapeHTML(false)
		return encoder.Encode(r)
	}
	return r.print(w.stdout, w.screen(), now)
}

// marketo is the REST API as a client of it sees it.
type marketo struct {
	base      *url.URL
	client    string
	secrets   []string // the client's, and tokens
	transport *http.Transport
}

// marketo reads what the flags name, and reports every problem at once.
func (c *checkCommand) marketo() (*marketo, error) {
	var problems []error
	_, base, err := c.upstreams()
	if err == nil && base == nil {
		err = errors.New("there is no REST API to ask: set --instance or --rest-upstream")
	}
	problems = append(problems, err)
	roots, err := c.trust()
	problems = append(problems, err)
	client, secret, err := c.restCredential()
	problems = append(problems, err)
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return &marketo{base, client, []string{secret}, restTransport(roots)}, nil
}

// restTransport goes to Marketo itself, past any proxy.
func restTransport(roots *x509.CertPool) *http.Transport {
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
}

// restCredential is the client to ask as, and its secret.
func (c *checkCommand) restCredential() (client, secret string, err error) {
	if c.CredentialsDir == "" {
		return "", "", errors.New("it takes the secret of a client_id: set --credentials-dir")
	}
	credentials, err := sign.OpenCredentials(c.CredentialsDir)
	if err != nil {
		return "", "", err
	}
	client = c.RESTClient
	if client == "" {
		clients := slices.DeleteFunc(credentials.Users(), func(user string) bool { return !clientID.MatchString(user) })
		switch len(clients) {
		case 0:
			return "", "", fmt.Errorf("no file in %s looks like a client_id of the REST API: name one with --rest-client", c.CredentialsDir)
		case 1:
			client = clients[0]
		default:
			return "", "", fmt.Errorf("%s has %d files that look like a client_id: choose one with --rest-client: %s", c.CredentialsDir, len(clients), strings.Join(clients, ", "))
		}
	}
	secret, ok := credentials.Lookup(client)
	if !ok {
		return "", "", fmt.Errorf("--rest-client: no secret is known for %q: put it into a file of that name in %s", client, c.CredentialsDir)
	}
	return client, secret, nil
}

// statistics is a day in the answers of usage.json and errors.json (Adobe, "Usage", 2026). A json.Number is a number or a text that is one.
type statistics struct {
	Date  string      `json:"date"`
	Total json.Number `json:"total"`
	Users []struct {
		User  string      `json:"userId"`
		Count json.Number `json:"count"`
	} `json:"users"`
	Errors []struct {
		Code  json.Number `json:"errorCode"`
		Count json.Number `json:"count"`
	} `json:"errors"`
}

// report asks for both statistics, which are two calls of the day themselves.
func (m *marketo) report(ctx context.Context, now time.Time, limit int) (*usageReport, error) {
	token, err := m.token(ctx)
	if err != nil {
		return nil, err
	}
	var used, failed statistics
	err = m.get(ctx, token, "/rest/v1/stats/usage.json", "getDailyUsageUsingGET", &used)
	var refused *restRefusal
	if errors.As(err, &refused) && refused.Class == classify.ClassRenew { // it was the token's last second
		if token, err = m.token(ctx); err == nil {
			err = m.get(ctx, token, "/rest/v1/stats/usage.json", "getDailyUsageUsingGET", &used)
		}
	}
	if err == nil {
		err = m.get(ctx, token, "/rest/v1/stats/errors.json", "getDailyErrorsUsingGET", &failed)
	}
	if err != nil {
		return nil, err
	}
	return newUsageReport(used, failed, now, limit), nil
}

func newUsageReport(used, failed statistics, now time.Time, limit int) *usageReport {
	day := now.In(metrics.QuotaZone())
	r := &usageReport{
		Date: used.Date, Calls: integer(used.Total), Limit: limit, Errors: integer(failed.Total), Users: []usageUser{}, ErrorList: []usageCode{},
		Ends: time.Date(day.Year(), day.Month(), day.Day()+1, 0, 0, 0, 0, day.Location()).UTC(),
	}
	if limit > 0 {
		r.Percent = 100 * float64(r.Calls) / float64(limit)
	}
	for _, u := range used.Users {
		r.Users = append(r.Users, usageUser{u.User, integer(u.Count)})
	}
	for _, e := range failed.Errors {
		code := classify.Explain(classify.Verdict{Outcome: classify.Fault, Code: e.Code.String()}, classify.REST)
		r.ErrorList = append(r.ErrorList, usageCode{e.Code.String(), integer(e.Count), code.Class, code.Message})
	}
	slices.SortStableFunc(r.Users, func(a, b usageUser) int {
		return cmp.Or(cmp.Compare(b.Calls, a.Calls), strings.Compare(a.User, b.User))
	})
	slices.SortStableFunc(r.ErrorList, func(a, b usageCode) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Code, b.Code))
	})
	return r
}

func integer(n json.Number) int64 {
	f, _ := n.Float64() // 0 for what is missing
	return int64(f)
}

func (m *marketo) token(ctx context.Context) (string, error) {
	token, err := identity.Fetch(ctx, m.transport, m.base.String(), m.client, m.secrets[0])
	var refused *identity.Refusal
	switch {
	case errors.As(err, &refused):
		return "", fmt.Errorf("no token for the client_id %s: %w: look at the secret in --credentials-dir", m.client, refused)
	case err != nil:
		return "", m.unreachable(ctx, err)
	}
	m.secrets = append(m.secrets, token.Value)
	return token.Value, nil
}

func (m *marketo) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return fmt.Errorf("%s can't be asked: %w: `marketo-proxy check` looks closer", m.base.Host, err)
}

// restRefusal is a failure that Marketo answered with.
type restRefusal struct {
	classify.Code
	path    string
	status  int
	verdict classify.Verdict
}

func (e *restRefusal) Error() string {
	answer := strings.TrimSpace(e.verdict.Code + " " + e.verdict.Message)
	if e.verdict.Outcome == classify.HTTP {
		answer = fmt.Sprintf("HTTP %d %s", e.status, strings.TrimSpace(strings.TrimPrefix(e.verdict.Message, strconv.Itoa(e.status))))
	}
	return fmt.Sprintf("%s answers %s: %s", e.path, answer, e.Advice)
}

// get asks for the statistics of today.
func (m *marketo) get(ctx context.Context, token, path, operation string, into *statistics) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(m.base.String(), "/")+path, http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept", "application/json")
	resp, err := m.transport.RoundTrip(req)
	if err != nil {
		return m.unreachable(ctx, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxUsage))
	if err != nil {
		return m.unreachable(ctx, err)
	}
	reader := classify.NewResponseReader(classify.Answer{
		Call: classify.Call{API: classify.REST, Operation: operation}, Method: req.Method, Status: resp.StatusCode, ContentType: resp.Header.Get("Content-Type"),
	})
	_, _ = reader.Write(body) // never fails
	if v := reader.Verdict(); v.Outcome != classify.Success {
		return &restRefusal{classify.Explain(v, classify.REST), path, resp.StatusCode, v}
	}
	var answer struct {
		Success bool         `json:"success"`
		Result  []statistics `json:"result"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || !answer.Success {
		return fmt.Errorf("%s gives no statistics, but HTTP %d with %d bytes: look at who answers at %s", path, resp.StatusCode, len(body), m.base.Host)
	}
	if len(answer.Result) > 0 {
		*into = answer.Result[0]
	}
	return nil
}
