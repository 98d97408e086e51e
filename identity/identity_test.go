package identity

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"marketo-proxy/emulator"
)

const (
	client = "c8a4f2be-2f4d-4f6e-9d0b-0d5a8a1f7e11"
	secret = "s3cret&with=signs"
)

func TestEmulator(t *testing.T) {
	e, err := emulator.New(emulator.Options{Clients: map[string]string{client: secret}})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	srv := httptest.NewServer(e)
	defer srv.Close()
	token, err := Fetch(t.Context(), http.DefaultTransport, srv.URL+"/", client, secret)
	if err != nil || token.Value == "" || token.Life != 3599*time.Second || !strings.Contains(token.User, client) {
		t.Errorf("%+v, %v", token, err)
	}
	var refused *Refusal
	if _, err := Fetch(t.Context(), http.DefaultTransport, srv.URL, client, "wrong"); !errors.As(err, &refused) || refused.Status != 401 || refused.Reason == "" {
		t.Errorf("%v", err)
	}
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		name, body string
		status     int
		want       Token
		err        string
	}{
		{"good", `{"access_token":"t","token_type":"bearer","expires_in":3599,"scope":"u@x"}`, 200, Token{"t", 3599 * time.Second, "u@x"}, ""},
		{"at its end", `{"access_token":"t","expires_in":0}`, 200, Token{Value: "t"}, ""},
		{"no life", `{"access_token":"t"}`, 200, Token{Value: "t"}, ""},
		{"strange lives", `{"access_token":"t","expires_in":-1e300}`, 200, Token{Value: "t"}, ""},
		{"endless", `{"access_token":"t","expires_in":1e300}`, 200, Token{Value: "t", Life: 24 * time.Hour}, ""},
		{"refused", `{"error":"invalid_client","error_description":"Bad client credentials"}`, 401, Token{}, "answers 401: invalid_client: Bad client credentials"},
		{"refused in a 200", `{"error":"unauthorized"}`, 200, Token{}, "answers 200: unauthorized"},
		{"refused with a token", `{"error":"no","access_token":"t"}`, 200, Token{}, "answers 200: no"},
		{"page", `<html>`, 200, Token{}, "answers 200, without a token"},
		{"nothing", ``, 503, Token{}, "answers 503, without a token"},
		{"no token", `{}`, 200, Token{}, "without a token"},
		{"token of a failure", `{"access_token":"t"}`, 500, Token{}, "answers 500"},
		{"text for a number", `{"access_token":"t","expires_in":"59"}`, 200, Token{Value: "t", Life: 59 * time.Second}, ""},
		{"no token for a header", `{"access_token":"t\r\nX: y"}`, 200, Token{}, "without a token"},
		{"long token", `{"access_token":"` + strings.Repeat("t", maxToken+1) + `"}`, 200, Token{}, "without a token"},
		{"secret repeated", `{"error":"invalid","error_description":"` + secret + ` in ` + url.QueryEscape(secret) + `"}`, 401, Token{}, "answers 401: invalid: REDACTED in REDACTED"},
		{"long reason", `{"error":"` + strings.Repeat("é", maxReason) + `"}`, 400, Token{}, ": " + strings.Repeat("é", maxReason/2)},
		{"control characters", `{"error":"a\u001b[2J\nb\u202ec"}`, 400, Token{}, "answers 400: a [2J b c"},
		{"endless body", strings.Repeat(" ", maxAnswer) + `{"access_token":"t"}`, 200, Token{}, "without a token"},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if q := r.URL.Query(); r.Method != "GET" || r.UserAgent() != "marketo-proxy" || r.URL.Path != "/base"+Path || q.Get("client_id") != client || q.Get("client_secret") != secret || q.Get("grant_type") != "client_credentials" {
				t.Errorf("asked by %s %s", r.Method, r.URL)
			}
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
		}))
		got, err := Fetch(t.Context(), http.DefaultTransport, srv.URL+"/base", client, secret)
		srv.Close()
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
}

func TestNoAnswerHidesTheSecret(t *testing.T) {
	for _, base := range []string{"http://127.0.0.1:1", "http://\x7f", "https://[::1"} {
		var refused *Refusal
		_, err := Fetch(t.Context(), http.DefaultTransport, base, client, secret)
		if err == nil || errors.As(err, &refused) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: %v", base, err)
		}
	}
}
