package emulator

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

func TestParseRule(t *testing.T) {
	for text, want := range map[string]Rule{
		"getLead=20011":               {"getLead", []Effect{{"20011", ""}}, 1, 0},
		"getLead=20011:0.1":           {"getLead", []Effect{{"20011", ""}}, 0.1, 0},
		"*=slow=3s":                   {"*", []Effect{{"slow", "3s"}}, 1, 0},
		"soap=slow=2s+cut#1":          {"soap", []Effect{{"slow", "2s"}, {"cut", ""}}, 1, 1},
		"rest=606+number:1#3":         {"rest", []Effect{{"606", ""}, {"number", ""}}, 1, 3},
		" syncLead = partial : 0.5 ":  {"syncLead", []Effect{{"partial", ""}}, 0.5, 0},
		"syncLeadUsingPOST=partial=1": {"syncLeadUsingPOST", []Effect{{"partial", "1"}}, 1, 0},
		"*=html502:0":                 {"*", []Effect{{"html502", ""}}, 0, 0},
		"getLead=message=Input error": {"getLead", []Effect{{"message", "Input error"}}, 1, 0},
	} {
		rule, err := ParseRule(text)
		if err != nil || !reflect.DeepEqual(rule, want) {
			t.Errorf("%q: %+v, %v", text, rule, err)
		}
	}
	for text, want := range map[string]string{
		"":                   "write it as",
		"20011":              "write it as",
		"=20011":             "write it as",
		"getlead=20011":      `did you mean "getLead"`,
		"getLeads=20011":     "no operation",
		"getLead=":           "an effect is missing",
		"getLead=slwo":       `no effect "slwo"`,
		"getLead=slow=fast":  "not a duration",
		"getLead=slow=-1s":   "not a duration",
		"getLead=20011:2":    "probability",
		"getLead=20011:x":    "probability",
		"getLead=20011:NaN":  "probability",
		"getLead=20011#0":    "number of times",
		"getLead=20011#x":    "number of times",
		"getLead=20011:1:1":  "no effect",
		"getLead=html999":    "HTTP status",
		"getLead=http":       "no effect",
		"getLead=status=x":   "HTTP status",
		"getLead=cut=-1":     "not a size",
		"getLead=size=1QiB":  "not a size",
		"getLead=size":       "not a size",
		"getLead=gzip=9":     "takes no value",
		"getLead=20011=x":    "takes no value",
		"getLead=message=a:": "probability",
	} {
		_, err := ParseRule(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func FuzzParseRule(f *testing.F) {
	for _, text := range []string{"getLead=20011:0.1", "*=slow=2s+cut=1MiB#3", "rest=606+number", "soap=message=x:y:1", "a=b=c#:", "*=size=9GiB:1e-3#2"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rule, err := ParseRule(text)
		if err != nil {
			if strings.TrimSpace(err.Error()) == "" {
				t.Fatal("an error without a text")
			}
			return
		}
		again, err := ParseRule(rule.String())
		if err != nil || !reflect.DeepEqual(rule, again) {
			t.Fatalf("%q became %+v, written as %q that is %+v, %v", text, rule, rule.String(), again, err)
		}
		if err := new(effects).addAll(rule.Effects); err != nil {
			t.Fatal(err)
		}
	})
}

func mustRules(t *testing.T, texts ...string) []Rule {
	t.Helper()
	var rules []Rule
	for _, text := range texts {
		rule, err := ParseRule(text)
		if err != nil {
			t.Fatal(err)
		}
		rules = append(rules, rule)
	}
	return rules
}

func TestRulesFire(t *testing.T) {
	b := newBench(t, func(o *Options) {
		o.Rules = mustRules(t, "getLead=20011#2", "listMObjects=20103:0.25", "rest=611")
		o.Rand = rand.New(rand.NewPCG(1, 2))
	})
	b.wantFault(b.soap("getLead", joe), "20011")
	b.wantFault(b.soap("getLead", joe), "20011")
	b.want(b.soap("getLead", joe))
	for range 100 {
		b.soap("listMObjects", "")
	}
	if n := b.e.Counts()[Count{"soap", "listMObjects", "20103"}]; n < 10 || n > 45 {
		t.Errorf("a rule with probability 0.25 fired %d times in 100", n)
	}
	b.wantError(b.get("/rest/v1/lists.json"), "611")
	if err := b.e.SetRules(nil); err != nil {
		t.Fatal(err)
	}
	b.want(b.soap("listMObjects", ""))
	b.wantFault(b.soap("listMObjects", "", FailHeader+": nonsense"), "20110")
	b.wantFault(b.soap("listMObjects", "", FailHeader+": slow=1ms, 20013#1"), "20013")
	b.wantFault(b.soap("listMObjects", "", SizeHeader+": many"), "20110")
}
