// Makes a few REST calls with net/http. Prints a line of JSON for each: {"step", "result"} or {"step", "fault"}.
//
// Arguments: base URL, client, secret. net/http takes a proxy from HTTPS_PROXY, crypto/x509 an authority from SSL_CERT_FILE.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
	"strings"
)

func main() {
	base := os.Args[1]
	grant := url.Values{"grant_type": {"client_credentials"}, "client_id": {os.Args[2]}, "client_secret": {os.Args[3]}}
	var identity struct {
		Token string `json:"access_token"`
	}
	do("GET", base+"/identity/oauth/token?"+grant.Encode(), "", "", &identity)

	call := func(step, method, path, body string) {
		var answer struct {
			Success bool
			Result  []struct {
				ID      int
				Email   string
				Status  string
				Reasons []failure
			}
			Errors []failure
		}
		do(method, base+path, identity.Token, body, &answer)
		line := map[string]any{"step": step}
		if !answer.Success {
			line["fault"] = map[string]string{"class": "errors", "code": answer.Errors[0].Code, "text": answer.Errors[0].Message}
		} else if r := answer.Result[0]; len(r.Reasons) > 0 {
			line["result"] = map[string]string{"status": r.Status, "code": r.Reasons[0].Code}
		} else {
			line["result"] = map[string]string{"id": fmt.Sprint(r.ID), "email": r.Email}
		}
		if err := json.NewEncoder(os.Stdout).Encode(line); err != nil {
			log.Fatal(err)
		}
	}
	call("leads", "GET", "/rest/v1/leads.json?filterType=email&filterValues=rufus@marketo.com", "")
	call("fault", "GET", "/rest/v1/stats/usage.json", "")
	call("partial", "POST", "/rest/v1/leads.json", `{"action":"createOnly","lookupField":"email","input":[{"email":"rufus@marketo.com"}]}`)
	call("reset", "GET", "/rest/v1/campaigns.json", "")
}

type failure struct{ Code, Message string }

// do reads the answer whatever its status is: REST's errors stand in the body.
func do(method, address, token, body string, answer any) {
	req, err := http.NewRequest(method, address, strings.NewReader(body))
	if err != nil {
		log.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(answer); err != nil {
		log.Fatal(err)
	}
}
