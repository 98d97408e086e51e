// The generator of the Grafana dashboard: writes marketo-proxy.json to standard output.
package main

//lint:file-ignore SA1019 Grafana before version 12 reads this format only, and every later one reads it as well.

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
)

func main() {
	text, err := generate()
	if err == nil {
		_, err = os.Stdout.Write(text)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "grafana:", err)
		os.Exit(1)
	}
}

// generate returns the JSON that Grafana imports, the same at each call.
func generate() ([]byte, error) {
	board := dashboard.NewDashboardBuilder("Marketo proxy").
		Uid("marketo-proxy").
		Description("Calls to Marketo through marketo-proxy: what fails, whose turn it is, what the proxy heals, and what is left of the limits.").
		Tags([]string{"marketo-proxy"}).
		Time("now-3h", "now").
		Refresh("30s").
		Timezone("browser").
		Tooltip(dashboard.DashboardCursorSyncCrosshair).
		WithVariable(dashboard.NewDatasourceVariableBuilder("datasource").Label("Data source").Type("prometheus")).
		WithVariable(variable("namespace", "Namespace", `label_values(marketo_proxy_build_info, namespace)`)).
		WithVariable(variable("pod", "Pod", `label_values(marketo_proxy_build_info{namespace=~"$namespace"}, pod)`)).
		WithVariable(variable("api", "API", `label_values(marketo_proxy_limit, api)`)).
		Annotation(dashboard.NewAnnotationQueryBuilder().
			Name("Alerts").
			Datasource(source).
			Enable(true).
			IconColor("red").
			Expr(`ALERTS{alertname=~"Marketo.*", alertstate="firing", namespace=~"$namespace|"}`).
			TitleFormat("{{alertname}}").
			TextFormat("{{api}} {{code}} {{outcome}} {{result}} {{reason}} {{pod}}").
			Step("1m"))
	for _, r := range rows() {
		board.WithRow(dashboard.NewRowBuilder(r.title))
		for _, p := range r.panels {
			board.WithPanel(p)
		}
	}
	built, err := board.Build()
	if err != nil {
		return nil, err
	}
	number(&built)
	text, err := json.MarshalIndent(built, "", "  ")
	return append(text, '\n'), err
}

// source is the data source that the reader of the dashboard chooses.
var source = common.DataSourceRef{Type: new("prometheus"), Uid: new("${datasource}")}

// variable chooses values of a label. All of them is any value, also none: outside of Kubernetes there is no namespace.
func variable(name, label, query string) *dashboard.QueryVariableBuilder {
	return dashboard.NewQueryVariableBuilder(name).
		Label(label).
		Datasource(source).
		Query(dashboard.StringOrMap{Map: map[string]any{"query": query, "refId": "variable-" + name}}).
		Refresh(dashboard.VariableRefreshOnTimeRangeChanged).
		Sort(dashboard.VariableSortAlphabeticalAsc).
		Multi(true).
		IncludeAll(true).
		AllValue(".*").
		Current(dashboard.VariableOption{
			Text:  dashboard.StringOrArrayOfString{String: new("All")},
			Value: dashboard.StringOrArrayOfString{String: new("$__all")},
		})
}

// number gives every panel its id, and every query its letter.
func number(board *dashboard.Dashboard) {
	for i := range board.Panels {
		id := uint32(i + 1)
		if row := board.Panels[i].RowPanel; row != nil {
			row.Id = id
			continue
		}
		panel := board.Panels[i].Panel
		panel.Id = &id
		for j, target := range panel.Targets {
			if query, ok := target.(prometheus.Dataquery); ok {
				query.RefId = new(string(rune('A' + j)))
				panel.Targets[j] = query
			}
		}
	}
}
