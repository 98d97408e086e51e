package classify

import "strings"

// Explain says what a verdict means. A failure without a known code is of class unknown, with advice for its outcome; a
// success gives a Code with its API only.
func Explain(v Verdict, api API) Code {
	if v.Outcome == Success {
		return Code{API: api}
	}
	if Retired(v, api) {
		return retired
	}
	if v.Code != "" {
		return explainCode(v, api)
	}
	c := outcomes[v.Outcome]
	c.API, c.Class = api, ClassUnknown
	c.Retryable = c.Retryable || v.Outcome == HTTP && passes(v.Message)
	return c
}

// passes tells by the status, with which the message begins if the answer has no words of its own, that the same call may succeed soon.
func passes(message string) bool {
	switch status, _, _ := strings.Cut(message, " "); status {
	case "429", "502", "503", "504":
		return true
	}
	return false
}

func explainCode(v Verdict, api API) Code {
	c, ok := Lookup(api, v.Code)
	switch {
	case ok && api == REST && v.Code == "1029":
		return explain1029(c, v.Message)
	case ok:
		return c
	}
	c = Code{
		API: api, Code: v.Code, Class: ClassUnknown, Turn: TurnApplication,
		Message: "Unknown code", Notes: "Adobe does not document this code.",
		Advice: "Read the answer's own message; if it does not say what to change, open a ticket with the capture.",
	}
	if api == REST {
		ingestion(&c)
	}
	return c
}

// explain1029 tells apart what Marketo reports under one code: only the first of the three is a quota.
func explain1029(c Code, message string) Code {
	switch m := strings.ToLower(message); {
	case strings.Contains(m, "too many jobs"):
		c.Class, c.Retryable = ClassCaller, true
		c.Advice = "Wait until one of the 10 queued extract jobs is finished, then enqueue the next; poll at most once a minute."
	case strings.Contains(m, "already queued"):
		c.Class = ClassCaller
		c.Advice = "Do not enqueue the job again: poll its status."
	}
	return c
}

// ingestion explains a code of the Data Ingestion API, which begins with the HTTP status and is of six digits or more.
func ingestion(c *Code) {
	if len(c.Code) < 6 || strings.Trim(c.Code, "0123456789") != "" {
		return
	}
	c.Source = "Adobe, Data Ingestion API (2026)"
	switch status := c.Code[:3]; {
	case status == "401", status == "403":
		c.Class, c.Turn = ClassAccess, TurnAdministrator
		c.Message, c.Notes = "Access denied by the Data Ingestion API", "The token in X-Mkto-User-Token was not accepted."
		c.Advice = "Fetch a new token, and check that the API-only user may use the Data Ingestion API."
	case status == "429":
		c.Class, c.Turn, c.Retryable = ClassThrottled, TurnApplication, true
		c.Message, c.Notes = "Too many requests", "A rate limit of the Data Ingestion API was exceeded."
		c.Advice = "Wait as long as Retry-After says, then send at a slower rate."
	case status[0] == '5':
		c.Class, c.Turn, c.Retryable = ClassMarketo, TurnMarketo, true
		c.Message, c.Notes = "Failure of the Data Ingestion API", "A failure on Marketo's side."
		c.Advice = "Retry with exponential back-off, and open a ticket with the X-Request-Id if it lasts."
	case status[0] == '4':
		c.Class = ClassCaller
		c.Message, c.Notes = "Request refused by the Data Ingestion API", "The call itself is wrong."
		c.Advice = "Read the message and correct the request."
	default:
		c.Source = ""
	}
}

// outcomes explains failures that have no code.
var outcomes = map[Outcome]Code{
	Fault: {
		Message: "Failure without a code", Notes: "The answer is a fault, but no code stands where Marketo writes one.",
		Turn: TurnApplication, Advice: "Read the fault's own message; if it is not Marketo's wording, find the gateway that answered.",
	},
	Partial: {
		Message: "Some records failed", Notes: "The call succeeded, but the answer reports failed records.",
		Turn: TurnApplication, Advice: "Go through the failed records: correct and send those again, and only those.",
	},
	HTTP: {
		Message: "HTTP error", Notes: "The answer has an HTTP error status and no message of Marketo's own.",
		Turn: TurnAdministrator, Advice: "Look at status, Server header and body to see who answered: Marketo, its gateway or a proxy on the way.",
	},
	Malformed: {
		Message: "Malformed answer", Notes: "The body of the answer is not what it should be.",
		Turn: TurnAdministrator, Advice: "Look at the body: an HTML page means a gateway or a proxy on the way answered; else open a ticket with the capture.",
	},
	Transport: {
		Message: "No whole answer", Notes: "The call failed before its whole answer had arrived: DNS, connection, TLS, time-out or a cut-off body.",
		Retryable: true, Turn: TurnAdministrator,
		Advice: "Run `marketo-proxy check` on this host; check whether a write took effect before repeating it.",
	},
	Client: {
		Message: "Application hung up", Notes: "The application closed its connection before it had the whole answer.",
		Turn: TurnApplication, Advice: "Compare the application's time-out with the call's duration: Marketo can take two minutes.",
	},
	Recovered: {
		Message: "Healed by the proxy", Notes: "The first attempt failed; the proxy renewed the credential and the second succeeded.",
		Turn: TurnNobody, Advice: "Nothing to do; if it happens often, check the application's clock and how long it keeps a signature or token.",
	},
}
