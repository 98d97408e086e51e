package admin

import (
	"net/http"
	"strings"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/pretty"
)

type codesPage struct {
	Query, API, Class string
	Classes           []string
	Problem           string
	Codes             []codeView
	Count             string
}

type codeView struct {
	classify.Code
	Tone                pretty.Tone
	TurnText, RetryText string
}

// codesPage shows the tables of codes, or those of them that have the words of a search.
func (s *Server) codesPage(w http.ResponseWriter, r *http.Request) {
	v := r.URL.Query()
	page := codesPage{Query: strings.TrimSpace(v.Get("q")), API: strings.ToLower(v.Get("api")), Class: strings.ToLower(v.Get("class")), Classes: capture.Classes()}
	if err := (capture.Query{API: page.API, Class: page.Class}).Check(); err != nil {
		page.Problem = strings.ReplaceAll(err.Error(), "\n", "; ")
		s.show(w, r, http.StatusBadRequest, "codes.html", "Codes", page)
		return
	}
	for _, api := range []classify.API{classify.SOAP, classify.REST} {
		for _, c := range classify.Codes(api) {
			if (page.API == "" || page.API == string(api)) && (page.Class == "" || page.Class == string(c.Class)) && found(&c, page.Query) {
				page.Codes = append(page.Codes, codeView{c, pretty.ToneOf(c.Class, ""), pretty.Turn(c.Turn), pretty.Retry(c.Retryable)})
			}
		}
	}
	page.Count = plural(len(page.Codes), "code")
	s.show(w, r, http.StatusOK, "codes.html", "Codes", page)
}

// found tells whether a code begins with the search, or its texts have all words of it.
func found(c *classify.Code, search string) bool {
	if strings.Trim(search, "0123456789") == "" {
		return strings.HasPrefix(c.Code, search)
	}
	text := strings.ToLower(strings.Join([]string{c.Code, c.Message, c.Notes, string(c.Class), c.Advice}, " "))
	for word := range strings.FieldsSeq(strings.ToLower(search)) {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}
