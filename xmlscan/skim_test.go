package xmlscan

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// nesting lists the tags, of which pairs that belong together are left out, with Skim wherever it takes something or without it.
func nesting(skim bool, pieces ...string) (tags []string, off int64) {
	var s Scanner
	add := func(tag string) {
		if n := len(tags); n > 0 && tag == "/"+tags[n-1] {
			tags = tags[:n-1]
			return
		}
		tags = append(tags, tag)
	}
	drain := func() {
		for {
			if skim {
				if name, end, ok := s.Skim(); ok {
					if end {
						add("/" + string(name))
					} else {
						add(string(name))
					}
					continue
				}
			}
			t, ok := s.Next()
			switch {
			case !ok:
				return
			case t.Kind == End:
				add("/" + string(t.Name))
			case t.Kind == Start && !t.SelfClosing:
				add(string(t.Name))
			}
		}
	}
	for _, p := range pieces {
		s.Feed([]byte(p))
		drain()
	}
	s.Finish()
	skim = false
	drain()
	return tags, s.off
}

func TestSkim(t *testing.T) {
	for _, c := range []struct{ xml, left string }{
		{"<a><b>x</b><c></c>\n<d>y</d></a>", ""},
		{"<a>x</b>", "a /b"},
		{"<a>x</a", "a /"},
		{"<a>x</a >y<b>", "b"},
		{"<a><!-- </a> --></a>", ""},
		{"<a><![CDATA[</a>]]><b>", "a b"},
		{"<a>1 < 2</a>", ""},
		{"<a x='1'>x</a><ab>x</a></ab>", "ab /a /ab"},
		{"</a><b/></b>", "/a /b"},
	} {
		for i := range len(c.xml) + 1 {
			got, off := nesting(true, c.xml[:i], c.xml[i:])
			if strings.Join(got, " ") != c.left || off != int64(len(c.xml)) {
				t.Errorf("%s, cut at %d: %q at %d, want %q", c.xml, i, got, off, c.left)
			}
		}
	}
}

func TestSkimChangesNothing(t *testing.T) {
	part := rapid.SampledFrom([]string{"<", ">", "</", "/>", "<a>", "</a>", "<a:b>", "</a:b>", "x", " ", "<a>x</a>", "<a y='>'>", "<!--", "-->", "<![CDATA[",
		"]]>", "<?x", "?>", "<!D [", "]>", strings.Repeat("z", maxName), "<" + strings.Repeat("z", maxName) + ">", "</" + strings.Repeat("z", maxName) + ">"})
	rapid.Check(t, func(t *rapid.T) {
		pieces := rapid.SliceOfN(rapid.Map(rapid.SliceOfN(part, 0, 8), func(p []string) string { return strings.Join(p, "") }), 1, 4).Draw(t, "pieces")
		want, end := nesting(false, pieces...)
		if got, off := nesting(true, pieces...); !slices.Equal(got, want) || off != end {
			t.Fatalf("%q at %d, without skimming %q at %d", got, off, want, end)
		}
	})
}
