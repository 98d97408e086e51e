package emulator

import (
	"encoding/xml"
	"maps"
	"slices"
	"strings"
	"testing"
)

// description is what of a WSDL ties names together.
type description struct {
	Elements []struct {
		Name string `xml:"name,attr"`
		Type string `xml:"type,attr"`
	} `xml:"types>schema>element"`
	Complex []struct {
		Name     string    `xml:"name,attr"`
		Elements []element `xml:"sequence>element"`
		Extended []element `xml:"complexContent>extension>sequence>element"`
	} `xml:"types>schema>complexType"`
	Simple []struct {
		Name string `xml:"name,attr"`
	} `xml:"types>schema>simpleType"`
	Messages []struct {
		Name string `xml:"name,attr"`
		Part struct {
			Element string `xml:"element,attr"`
		} `xml:"part"`
	} `xml:"message"`
	Operations []struct {
		Name  string `xml:"name,attr"`
		Input struct {
			Message string `xml:"message,attr"`
		} `xml:"input"`
		Output struct {
			Message string `xml:"message,attr"`
		} `xml:"output"`
	} `xml:"portType>operation"`
	Bound []struct {
		Name   string `xml:"name,attr"`
		Action struct {
			Action string `xml:"soapAction,attr"`
		} `xml:"operation"`
	} `xml:"binding>operation"`
	Address struct {
		Location string `xml:"location,attr"`
	} `xml:"service>port>address"`
}

type element struct {
	Name string `xml:"name,attr"`
	Type string `xml:"type,attr"`
}

func TestWSDL(t *testing.T) {
	b := newBench(t)
	a := b.get("/soap/mktows/3_1?WSDL")
	var d description
	if err := xml.Unmarshal([]byte(a.body), &d); err != nil || a.status != 200 || !strings.HasPrefix(a.header.Get("Content-Type"), "text/xml") {
		t.Fatalf("%d %v", a.status, err)
	}
	if want := "https://" + strings.TrimPrefix(b.s.URL, "http://") + "/soap/mktows/3_1"; d.Address.Location != want {
		t.Errorf("location %s, want %s", d.Address.Location, want)
	}
	types, elements, messages := map[string]bool{}, map[string]bool{}, map[string]string{}
	for _, c := range d.Complex {
		types["m:"+c.Name] = true
	}
	for _, s := range d.Simple {
		types["m:"+s.Name] = true
	}
	known := func(name string) {
		if !types[name] && !strings.HasPrefix(name, "xs:") {
			t.Errorf("type %s is not defined", name)
		}
	}
	for _, c := range d.Complex {
		for _, e := range append(c.Elements, c.Extended...) {
			known(e.Type)
		}
	}
	for _, e := range d.Elements {
		elements["m:"+e.Name] = true
		known(e.Type)
	}
	for _, m := range d.Messages {
		messages["m:"+m.Name] = m.Part.Element
		if !elements[m.Part.Element] {
			t.Errorf("element %s of message %s is not defined", m.Part.Element, m.Name)
		}
	}
	var names []string
	for _, o := range d.Operations {
		names = append(names, o.Name)
		capital := strings.ToUpper(o.Name[:1]) + o.Name[1:]
		if messages[o.Input.Message] != "m:params"+capital || messages[o.Output.Message] != "m:success"+capital {
			t.Errorf("operation %s: %s, %s", o.Name, messages[o.Input.Message], messages[o.Output.Message])
		}
	}
	slices.Sort(names)
	if want := slices.Sorted(maps.Keys(soapOperations())); !slices.Equal(names, want) {
		t.Errorf("operations %v, want %v", names, want)
	}
	if len(d.Bound) != 23 || d.Bound[0].Action.Action != mktows+d.Bound[0].Name {
		t.Errorf("binding: %+v", d.Bound)
	}
	other := newBench(t, func(o *Options) { o.PublicURL = "http://127.0.0.1:9/a&b/" })
	if a := other.get("/soap/mktows/2_3?wsdl"); !strings.Contains(a.body, `location="http://127.0.0.1:9/a&amp;b/soap/mktows/2_3"`) {
		t.Error("public URL is not in the WSDL")
	}
	if n := len(b.e.Counts()); n != 0 {
		t.Errorf("a WSDL was counted: %v", b.e.Counts())
	}
}
