package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// The grid of a dashboard has 24 columns.
const (
	third   = 8
	quarter = 6
	half    = 12
	full    = 24
)

// lines is a graph over time; its queries are added with query.
func lines(title, about, unit string, width uint32) *timeseries.PanelBuilder {
	return timeseries.NewPanelBuilder().
		Title(title).
		Description(about).
		Datasource(source).
		Span(width).
		Height(8).
		Unit(unit).
		Min(0).
		LineWidth(1).
		FillOpacity(10).
		ShowPoints(common.VisibilityModeNever).
		SpanNulls(common.BoolOrFloat64{Bool: new(false)}).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderDescending)).
		Legend(common.NewVizLegendOptionsBuilder().DisplayMode(common.LegendDisplayModeList).Placement(common.LegendPlacementBottom).ShowLegend(true))
}

// bars is a graph of counts that add up.
func bars(title, about, unit string, width uint32) *timeseries.PanelBuilder {
	return lines(title, about, unit, width).
		DrawStyle(common.GraphDrawStyleBars).
		FillOpacity(80).
		LineWidth(0).
		Stacking(common.NewStackingConfigBuilder().Mode(common.StackingModeNormal))
}

// figure is one number for now, green unless it reaches one of the colours.
func figure(title, about, unit, expr, legend string, colours ...at) *stat.PanelBuilder {
	return stat.NewPanelBuilder().
		Title(title).
		Description(about).
		Datasource(source).
		Span(4).
		Height(4).
		Unit(unit).
		NoValue("–").
		ColorMode(common.BigValueColorModeValue).
		GraphMode(common.BigValueGraphModeNone).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"})).
		Thresholds(steps("green", colours...)).
		WithTarget(instant(expr, legend))
}

// list is a table of what holds now, with the columns that are named and the value as the last.
func list(title, about, unit string, width uint32, expr, value string, columns ...string) *table.PanelBuilder {
	names, order := map[string]any{"Value": value}, map[string]any{}
	for i, column := range columns {
		order[column] = i
	}
	order["Value"] = len(columns)
	include := append([]string{"Value"}, columns...)
	return table.NewPanelBuilder().
		Title(title).
		Description(about).
		Datasource(source).
		Span(width).
		Height(8).
		Unit(unit).
		WithTarget(instant(expr, "").Format(prometheus.PromQueryFormatTable)).
		WithTransformation(dashboard.DataTransformerConfig{Id: "filterFieldsByName", Options: map[string]any{"include": map[string]any{"names": include}}}).
		WithTransformation(dashboard.DataTransformerConfig{Id: "organize", Options: map[string]any{"indexByName": order, "renameByName": names}}).
		SortBy([]cog.Builder[common.TableSortByFieldState]{common.NewTableSortByFieldStateBuilder().DisplayName(value).Desc(true)})
}

// query is over the time that is shown.
func query(expr, legend string) *prometheus.DataqueryBuilder { return target(expr, legend).Range() }

// instant is a query for the end of the time that is shown.
func instant(expr, legend string) *prometheus.DataqueryBuilder { return target(expr, legend).Instant() }

func target(expr, legend string) *prometheus.DataqueryBuilder {
	return prometheus.NewDataqueryBuilder().
		Datasource(source).
		Expr(expr).
		LegendFormat(legend).
		EditorMode(prometheus.QueryEditorModeCode)
}

// at is a colour from a value on.
type at struct {
	value  float64
	colour string
}

func steps(first string, rest ...at) *dashboard.ThresholdsConfigBuilder {
	all := []dashboard.Threshold{{Color: first}}
	for _, step := range rest {
		all = append(all, dashboard.Threshold{Value: new(step.value), Color: step.colour})
	}
	return dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).Steps(all)
}

// limitAt draws a red line at a value.
func limitAt(p *timeseries.PanelBuilder, value float64) *timeseries.PanelBuilder {
	return p.
		Thresholds(steps("transparent", at{value, "red"})).
		ThresholdsStyle(common.NewGraphThresholdsStyleConfigBuilder().Mode(common.GraphThresholdsStyleModeDashed))
}
