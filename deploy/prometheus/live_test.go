//go:build linux

package prometheus

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// wanted are the alerts that the traffic of the test must set off: "alert namespace api".
var wanted = []string{
	"MarketoFaults shop soap", "MarketoFaults shop rest",
	"MarketoUnanswered shop soap", "MarketoUnanswered shop rest",
	"MarketoThrottled shop soap", "MarketoThrottled shop rest",
	"MarketoQuotaRunsOut clock soap", "MarketoQuotaRunsOut clock rest",
	"MarketoQuotaUsedUp shop soap", "MarketoQuotaUsedUp shop rest",
	"MarketoAccessRefused shop soap", "MarketoAccessRefused shop rest",
	"MarketoUnknownCode shop soap", "MarketoUnknownCode shop rest",
	"MarketoTrafficStopped quiet soap", "MarketoTrafficStopped quiet rest",
	"MarketoProxyHealsMuch shop soap", "MarketoProxyHealsMuch shop rest",
	"MarketoProxyCannotHeal shop soap", "MarketoProxyCannotHeal shop rest",
	"MarketoProxyClockOff clock ",
	"MarketoProxyCapturesLost clock ",
}

// The real Prometheus scrapes the built proxy while Marketo fails in every way: each alert fires, and none for a healthy neighbour;
// the exemplars lead to captures; each panel of the dashboard shows something; the commands of the runbooks work.
//
// It runs twice beside each other: as most run it, and with native histograms, which take the place of the classic ones.
func TestPrometheus(t *testing.T) {
	shop, calm := serve(t, emulate(t)), serve(t, emulate(t)) // a token that expires in the shop must not expire next door
	clock := serve(t, emulate(t, "--clock-skew=2m"), "--soap-day-limit=50", "--rest-day-limit=50")
	targets := []target{{"shop", "shop-1", shop.metrics}, {"calm", "calm-1", calm.metrics}, {"clock", "clock-1", clock.metrics}}

	plain := scrape(t, "exemplar-storage", history(time.Now()), targets...)
	native := scrape(t, "exemplar-storage,native-histograms", history(time.Now()), targets...)
	wait(t, "every target is scraped", func() (bool, string) { // so that no first count is missed
		up, err := native.query(`sum(up) + sum(marketo_proxy_build_info)`, true)
		return err == nil && len(up) == 1 && up[0].Value.value() == 6, fmt.Sprint(up, err)
	})
	breakDisk(t, clock.dir)
	calm.traffic(healthy, 100*time.Millisecond)
	shop.traffic(round, 10*time.Millisecond)
	clock.traffic(append([]call{{api: "soap", fail: "20103", weight: 1}}, healthy...), 100*time.Millisecond)

	for _, s := range []*server{plain, native} {
		wait(t, "every alert fires", func() (bool, string) {
			var have []string
			for _, a := range s.firing() {
				have = append(have, fmt.Sprintf("%s %s %s", a.Labels["alertname"], a.Labels["namespace"], a.Labels["api"]))
			}
			var missing []string
			for _, w := range wanted {
				if !slices.Contains(have, w) {
					missing = append(missing, w)
				}
			}
			return len(missing) == 0, strings.Join(missing, ", ")
		})
	}
	for _, name := range alerts(t) {
		if !slices.ContainsFunc(wanted, func(w string) bool { return strings.HasPrefix(w, name+" ") }) {
			t.Errorf("%s is not tried", name)
		}
	}
	for _, a := range native.firing() {
		if a.Labels["namespace"] == "calm" {
			t.Errorf("an alert for what is healthy: %v", a)
		}
	}
	t.Run("annotations", func(t *testing.T) { annotations(t, native.firing(), shop) })
	t.Run("exemplars", func(t *testing.T) { exemplars(t, plain, shop); exemplars(t, native, shop) })
	t.Run("dashboard", func(t *testing.T) { dashboard(t, plain, "plain"); dashboard(t, native, "native") })
	t.Run("runbooks", func(t *testing.T) { runbookCommands(t, shop) })
}

// history is the traffic of a namespace a week ago, in the time of the tests.
func history(now time.Time) string {
	var b strings.Builder
	b.WriteString("# TYPE marketo_proxy_requests counter\n")
	begin := now.Add(-7 * 24 * time.Hour / faster).Add(-time.Minute)
	for _, api := range []string{"rest", "soap"} {
		for i := range 100 {
			fmt.Fprintf(&b, "marketo_proxy_requests_total{namespace=\"quiet\",pod=\"quiet-1\",api=\"%s\",operation=\"other\"} %d %d\n",
				api, 10*i, begin.Add(time.Duration(i)*5*time.Second).Unix())
		}
	}
	b.WriteString("# EOF\n")
	return b.String()
}

// breakDisk puts a file where the captures were.
func breakDisk(t *testing.T, dir string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "")
}

// annotations checks what a person would read: no blanks, and commands that work.
func annotations(t *testing.T, firing []alert, beside *pod) {
	ran := map[string]bool{}
	for _, a := range firing {
		name := a.Labels["alertname"]
		for what, text := range a.Annotations {
			blank := func(sign string) bool { return strings.Contains(text, sign) }
			if text == "" || slices.ContainsFunc([]string{"<no value>", "  ", "()", "NaN"}, blank) {
				t.Errorf("%s: %s is %q", name, what, text)
			}
		}
		if want := "https://runbooks.example.com/marketo-proxy/" + name + ".md"; a.Annotations["runbook_url"] != want {
			t.Errorf("%s: runbook_url is %s", name, a.Annotations["runbook_url"])
		}
		found := commandLines(a.Annotations["description"], "")
		if len(found) == 0 {
			t.Errorf("%s names no command: %s", name, a.Annotations["description"])
		}
		for _, line := range found {
			if ran[line] {
				continue
			}
			ran[line] = true
			if out := try(t, beside, line); strings.Contains(line, "captures ls") && a.Labels["namespace"] == "shop" && !strings.Contains(out, "\n") {
				t.Errorf("%s: %s shows nothing", name, line)
			}
		}
		t.Logf("%s: %s", name, a.Annotations["summary"])
	}
}

// exemplars follows the dots of the dashboard's graph to captures.
func exemplars(t *testing.T, s *server, p *pod) {
	expr := `sum by (api, class, code) (increase(marketo_proxy_faults_total{namespace="shop"}[1m])) > 0`
	var found []struct {
		SeriesLabels map[string]string
		Exemplars    []struct{ Labels map[string]string }
	}
	now := time.Now()
	if err := s.get("query_exemplars", url.Values{"query": {expr}, "start": {stamp(now.Add(-time.Hour))}, "end": {stamp(now)}}, &found); err != nil {
		t.Fatal(err)
	}
	codes := map[string]bool{}
	for _, f := range found {
		code := f.SeriesLabels["code"]
		id := f.Exemplars[len(f.Exemplars)-1].Labels["capture_id"]
		stdout, stderr, exit := command(t, "", p.env, os.Getenv(programEnv), "captures", "show", id)
		if exit != 0 || code != "other" && !strings.Contains(stdout, code) || !strings.Contains(stdout, id) {
			t.Errorf("code %s has the capture %s: exit %d %s %s", code, id, exit, stdout, stderr)
		}
		codes[code] = true
		follow(t, p, id)
	}
	for _, code := range []string{"20011", "20016", "611", "602", "606", "other"} {
		if !codes[code] {
			t.Errorf("no exemplar of %s among %v", code, codes)
		}
	}
}

var documentedLink = regexp.MustCompile(`url: http://127\.0\.0\.1:8081(/\S+)`)

// follow clicks on an exemplar in Grafana, which is another site than the page of the captures.
func follow(t *testing.T, p *pod, id string) {
	t.Helper()
	link := documentedLink.FindStringSubmatch(read(t, "../../docs/monitoring.md"))
	if link == nil {
		t.Fatal("docs/monitoring.md has no link to a capture")
	}
	req, err := http.NewRequest(http.MethodGet, "http://"+p.at["admin-listen"]+strings.ReplaceAll(link[1], "$${__value.raw}", id), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"Site": "cross-site", "Mode": "navigate", "Dest": "document"} {
		req.Header.Set("Sec-Fetch-"+name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if page, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(page), id) {
		t.Errorf("the link to %s: %s %v", id, resp.Status, err)
	}
}

// panel is a panel of the dashboard as it is in JSON.
type panel struct {
	Type, Title string
	Targets     []struct {
		Expr, LegendFormat string
		Instant            bool
	}
}

// dashboard asks every query of every panel, and of the variables and annotations.
func dashboard(t *testing.T, s *server, name string) {
	var board struct {
		Panels      []panel
		Annotations struct{ List []struct{ Expr string } }
		Templating  struct {
			List []struct {
				Type, Name string
				Query      any
			}
		}
	}
	if err := json.Unmarshal([]byte(read(t, "../grafana/marketo-proxy.json")), &board); err != nil {
		t.Fatal(err)
	}
	chosen := strings.NewReplacer("$__rate_interval", "10s", "$__range", "1m", "$namespace|", ".*|", "$namespace", ".*", "$pod", ".*", "$api", ".*")
	ask := func(title, expr string, instant bool) []series {
		expr = chosen.Replace(expr)
		if strings.Contains(expr, "$") {
			t.Errorf("%s: a variable that nobody knows: %s", title, expr)
		}
		result, err := s.query(expr, instant)
		if err != nil {
			t.Errorf("%s: %v: %s", title, err, expr)
		} else if !shows(result) {
			t.Errorf("%s (%s): nothing to show: %s", title, name, expr)
		}
		return result
	}
	queries := 0
	for _, p := range board.Panels {
		if len(p.Targets) == 0 && p.Type != "row" {
			t.Errorf("%s asks nothing", p.Title)
		}
		for i, target := range p.Targets {
			result := ask(p.Title, target.Expr, target.Instant)
			keepSeries(t, fmt.Sprintf("%s-%s-%d", name, p.Title, i), result)
			queries++
		}
	}
	for _, a := range board.Annotations.List {
		ask("annotations", a.Expr, false)
	}
	for _, v := range board.Templating.List {
		query, ok := v.Query.(map[string]any)
		if !ok {
			continue
		}
		inner := strings.TrimSuffix(strings.TrimPrefix(query["query"].(string), "label_values("), ")")
		i := strings.LastIndex(inner, ", ")
		var values []string
		if err := s.get("label/"+inner[i+2:]+"/values", url.Values{"match[]": {chosen.Replace(inner[:i])}}, &values); err != nil || len(values) == 0 {
			t.Errorf("variable %s: %v %v", v.Name, values, err)
		}
	}
	if queries < 30 {
		t.Errorf("%d queries", queries)
	}
}

// shows tells whether there is a number to see.
func shows(result []series) bool {
	for _, s := range result {
		for _, v := range append([]sample{s.Value}, s.Values...) {
			if v[1] != nil && !math.IsNaN(v.value()) {
				return true
			}
		}
	}
	return false
}

// keepSeries writes what a panel shows as columns for a plotter, if asked to.
func keepSeries(t *testing.T, name string, result []series) {
	if *keep == "" {
		return
	}
	var b strings.Builder
	for _, s := range result {
		fmt.Fprintf(&b, "\"%v\"\n", s.Metric)
		for _, v := range append(s.Values, s.Value) {
			if v[1] != nil {
				fmt.Fprintf(&b, "%v %v\n", v[0], v[1])
			}
		}
		b.WriteString("\n\n")
	}
	write(t, filepath.Join(*keep, strings.NewReplacer(" ", "_", "/", "_", "'", "").Replace(name)), b.String())
}
