package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/pretty"
)

type codesCommand struct {
	Code  string `arg:"" optional:"" help:"A code to explain, or an operation of SOAP to find in REST; all codes if not given."`
	API   string `name:"api" help:"Only soap or rest." placeholder:"API"`
	Class string `help:"Only renew, throttled, quota, marketo, access, caller, answer or unknown." placeholder:"CLASS"`
	JSON  bool   `name:"json" help:"One JSON object a line."`
}

// Run prints the table of codes, or explains one.
func (c *codesCommand) Run(w *world) error {
	if err := (capture.Query{API: c.API, Class: c.Class}).Check(); err != nil {
		return usageError{fmt.Errorf("--%w", err)}
	}
	code := strings.TrimSpace(c.Code)
	if rest := classify.RESTCounterpart(code); rest != "" {
		return explainOperation(w, code, rest, c.JSON)
	}
	if strings.Trim(code, "0123456789") != "" {
		return usageError{fmt.Errorf("%q is not a code: codes are numbers like 20011", printable(code))}
	}
	var chosen []classify.Code
	for _, api := range []classify.API{classify.SOAP, classify.REST} {
		if c.API != "" && !strings.EqualFold(c.API, string(api)) {
			continue
		}
		for _, k := range classify.Codes(api) {
			if (code == "" || k.Code == code) && (c.Class == "" || strings.EqualFold(c.Class, string(k.Class))) {
				chosen = append(chosen, k)
			}
		}
	}
	out := bufio.NewWriter(w.stdout)
	switch {
	case len(chosen) == 0 && code != "":
		return fmt.Errorf("%s is not documented%s: read the message of its captures (marketo-proxy captures ls --code %s), and open a ticket with one of them",
			code, c.where(), code)
	case len(chosen) == 0:
		fmt.Fprintf(w.stderr, "marketo-proxy: no code%s\n", c.where())
		return nil
	case c.JSON:
		return errors.Join(codesJSON(out, chosen), out.Flush())
	case code != "":
		explainCodes(out, w.screen(), chosen)
		return out.Flush()
	}
	return errors.Join(codesTable(out, w.screen(), chosen), out.Flush())
}

// explainOperation says what the REST API has in place of an operation of SOAP.
func explainOperation(w *world, operation, rest string, asJSON bool) error {
	out := bufio.NewWriter(w.stdout)
	if asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetEscapeHTML(false)
		return errors.Join(encoder.Encode(map[string]string{"api": string(classify.SOAP), "operation": operation, "rest": rest}), out.Flush())
	}
	p := &page{w: out, screen: w.screen()}
	p.heading(operation, "")
	p.field("api", string(classify.SOAP))
	p.field("in REST", rest)
	return out.Flush()
}

// where names what the codes were narrowed to.
func (c *codesCommand) where() (text string) {
	if c.API != "" {
		text += " for the " + strings.ToUpper(c.API) + " API"
	}
	if c.Class != "" {
		text += " in the class " + strings.ToLower(c.Class)
	}
	return text
}

func codesJSON(out *bufio.Writer, codes []classify.Code) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for _, k := range codes {
		if err := encoder.Encode(k); err != nil {
			return err
		}
	}
	return nil
}

func codesTable(out *bufio.Writer, s screen, codes []classify.Code) error {
	t := table{w: out, screen: s, ahead: len(codes), columns: []column{
		{title: "CODE"}, {title: "API"}, {title: "CLASS"}, {title: "RETRY"}, {title: "TURN"}, {title: "MESSAGE"},
	}}
	for _, k := range codes {
		retry := "no"
		if k.Retryable {
			retry = "yes"
		}
		color := classColor(k.Class, "")
		err := t.add(cell{k.Code, color}, cell{string(k.API), ""}, cell{string(k.Class), color}, cell{retry, ""}, cell{k.Turn, ""}, cell{k.Message, ""})
		if err != nil {
			return err
		}
	}
	return t.flush()
}

func explainCodes(out *bufio.Writer, s screen, codes []classify.Code) {
	p := &page{w: out, screen: s}
	for i, k := range codes {
		if i > 0 {
			p.printf("\n")
		}
		p.heading(k.Code+" "+k.Message, classColor(k.Class, ""))
		p.field("api", string(k.API))
		p.field("meaning", k.Notes)
		p.field("class", string(k.Class))
		p.field("retry", pretty.Retry(k.Retryable))
		p.field("whose turn", pretty.Turn(k.Turn))
		p.field("advice", k.Advice)
		if !strings.HasPrefix(k.Source, "Adobe, ") {
			p.field("source", k.Source)
		}
	}
}
