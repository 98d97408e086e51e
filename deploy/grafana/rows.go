package main

import (
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

type panel = cog.Builder[dashboard.Panel]

// row is a titled part of the dashboard.
type row struct {
	title  string
	panels []panel
}

// What the variables at the top choose.
const (
	pods   = `namespace=~"$namespace", pod=~"$pod"`
	calls  = pods + `, api=~"$api"`
	failed = calls + `, outcome!~"recovered|client"`
	healed = calls + `, result="recovered"`
)

func rows() []row {
	return []row{
		{"At a glance", glance()},
		{"Failures", failures()},
		{"Healing", healing()},
		{"Limits of Marketo", limits()},
		{"Latency, and the proxy's own share", latency()},
		{"Captures", captures()},
		{"Pods", perPod()},
	}
}

func glance() []panel {
	return []panel{
		figure("Calls", "Calls of applications a second.", "reqps", "sum("+rate("requests_total", calls)+")", ""),
		figure("Failing", "Part of the calls that failed, for whatever reason; neither healed ones nor those that the application gave up.",
			"percentunit", "sum("+rate("failures_total", failed)+") / sum("+rate("requests_total", calls)+")", "",
			at{0.02, "yellow"}, at{0.1, "red"}),
		figure("Marketo's own faults", "Faults of class marketo in the time that is shown: nobody here can mend them.", "short",
			"sum("+shown("faults_total", calls+`, class="marketo"`)+")", "", at{1, "yellow"}, at{50, "red"}),
		figure("Healed", "Calls that had expired and that the proxy renewed, in the time that is shown.", "short",
			"sum("+shown("renewals_total", healed)+")", ""),
		figure("Day's quota used", "Of the quota that is the nearest to its end. Only calls that went through these proxies since they started.",
			"percentunit", "max by (api) ("+used("day")+")", "{{api}}", at{0.7, "yellow"}, at{0.9, "red"}),
		figure("Captures lost", "Failed calls that are not on disk, in the time that is shown.", "short",
			"sum("+shown("captures_lost_total", pods)+")", "", at{1, "red"}),
		list("Alerts that fire", "From deploy/prometheus/rules.yml.", "short", full,
			"sum by (alertname, severity, namespace, api, code, outcome, result, pod) "+
				`(ALERTS{alertname=~"Marketo.*", alertstate="firing", namespace=~"$namespace|"})`,
			"alerts", "severity", "alertname", "namespace", "api", "code", "outcome", "result", "pod").Height(6),
	}
}

func failures() []panel {
	return []panel{
		bars("Faults by code", "What Marketo answered, each attempt's. The dots are captures: `marketo-proxy captures show ID`.", "short", half).
			WithTarget(query("sum by (api, class, code) ("+count("faults_total", calls)+") > 0", "{{api}} {{code}} {{class}}").Exemplar(true)),
		bars("Failed calls by outcome", "Calls, each counted once.", "short", half).
			WithTarget(query("sum by (api, outcome) ("+count("failures_total", calls)+") > 0", "{{api}} {{outcome}}")),
		list("Codes", "Faults in the time that is shown. `marketo-proxy codes CODE` explains one.", "short", third,
			"sum by (api, class, code) ("+shown("faults_total", calls)+") > 0", "faults", "api", "code", "class"),
		list("Operations", "Failed calls in the time that is shown.", "short", third,
			"sum by (api, operation, class) ("+shown("operation_failures_total", calls)+") > 0", "calls", "api", "operation", "class"),
		bars("Records that failed inside of answers that succeeded", "", "short", third).
			WithTarget(query("sum by (api, operation) ("+count("partial_records_total", calls)+") > 0", "{{api}} {{operation}}")),
	}
}

func healing() []panel {
	return []panel{
		bars("Expired calls by what became of them",
			"recovered: renewed by the proxy, the application saw a success. All others reached the application.", "short", third).
			WithTarget(query("sum by (api, result) ("+count("renewals_total", calls)+") > 0", "{{api}} {{result}}")),
		limitAt(lines("Part of the calls that the proxy renews",
			"Above a fifth an application's clock is wrong, or it keeps signatures too long.", "percentunit", third), 0.2).
			WithTarget(query("sum by (api) ("+rate("renewals_total", healed)+") / sum by (api) ("+rate("requests_total", calls)+")", "{{api}}")),
		lines("Marketo's clock minus the pod's",
			"From the Date of the last answer, which has whole seconds. The proxy corrects from 30 s on.", "s", third).
			Min(-60).Max(60).
			WithTarget(query(now("clock_offset_seconds", pods), "{{pod}} {{instance}}")),
	}
}

func limits() []panel {
	return []panel{
		limitAt(lines("Day's quota", "Since midnight US Central; forecast: at midnight, if the calls go on as in the last hour. "+
			"Others who call the same instance are not seen.", "percentunit", third), 1).
			WithTarget(query(used("day"), "{{namespace}} {{api}} used")).
			WithTarget(query(`namespace_api:marketo_proxy_day_forecast:ratio{namespace=~"$namespace", api=~"$api"}`, "{{namespace}} {{api}} forecast")),
		limitAt(lines("Calls in 20 s", "Part of what Marketo allows, as it was at each scrape.", "percentunit", third), 1).
			WithTarget(query(used("window"), "{{namespace}} {{api}}")),
		limitAt(lines("Calls at once", "Part of what Marketo allows, as it was at each scrape.", "percentunit", third), 1).
			WithTarget(query(used("concurrent"), "{{namespace}} {{api}}")),
	}
}

func latency() []panel {
	const duration, overhead = "request_duration_seconds", "overhead_seconds"
	mean := total("sum", duration, calls, "api, operation") + " / " + total("count", duration, calls, "api, operation")
	return []panel{
		lines("Time of a call", "To the end of the answer.", "s", third).
			WithTarget(query(quantile(0.5, duration, calls, "api"), "{{api}} median")).
			WithTarget(query(quantile(0.95, duration, calls, "api"), "{{api}} 95 %")).
			WithTarget(query(quantile(0.99, duration, calls, "api"), "{{api}} 99 %")),
		lines("The proxy's own share", "The part that was neither Marketo's nor the application's.", "s", third).
			WithTarget(query(quantile(0.5, overhead, pods, ""), "median")).
			WithTarget(query(quantile(0.95, overhead, pods, ""), "95 %")).
			WithTarget(query(quantile(0.99, overhead, pods, ""), "99 %")),
		lines("The proxy's part of all the time", "", "percentunit", third).
			WithTarget(query(total("sum", overhead, pods, "")+" / "+total("sum", duration, pods, ""), "part")),
		lines("Slowest operations", "Mean time of a call.", "s", half).
			WithTarget(query("topk(10, "+mean+")", "{{api}} {{operation}}")),
		lines("Calls in flight", "Begun and not ended, at each scrape.", "short", half).
			WithTarget(query("sum by (api) ("+now("requests_in_flight", calls)+")", "{{api}}")),
	}
}

func captures() []panel {
	return []panel{
		bars("Captures written and lost", "Lost ones passed to the application all the same.", "short", third).
			WithTarget(query("sum("+count("captures_total", pods)+")", "written")).
			WithTarget(query("sum by (reason) ("+count("captures_lost_total", pods)+") > 0", "lost: {{reason}}")),
		lines("Size of the captures on disk", "Bounded by --capture-max-size.", "bytes", third).
			WithTarget(query(now("capture_stored_bytes", pods), "{{pod}} {{instance}}")),
		lines("Captures on disk", "", "short", third).
			WithTarget(query(now("capture_stored", pods), "{{pod}} {{instance}}")),
	}
}

func perPod() []panel {
	// The metrics of the process have names that every Go program has.
	ours := " and on (namespace, pod, instance) " + now("build_info", pods)
	failing := "sum by (pod, instance) (" + rate("failures_total", failed) + ") / sum by (pod, instance) (" + rate("requests_total", calls) + ")"
	return []panel{
		lines("Calls", "", "reqps", quarter).
			WithTarget(query("sum by (pod, instance) ("+rate("requests_total", calls)+")", "{{pod}} {{instance}}")),
		lines("Failing", "Part of the calls that failed; neither healed ones nor those that the application gave up.", "percentunit", quarter).
			WithTarget(query(failing, "{{pod}} {{instance}}")),
		lines("Memory", "Resident.", "bytes", quarter).
			WithTarget(query("process_resident_memory_bytes"+ours, "{{pod}} {{instance}}")),
		lines("CPU", "Seconds a second.", "short", quarter).
			WithTarget(query("rate(process_cpu_seconds_total[$__rate_interval])"+ours, "{{pod}} {{instance}}")),
		list("Versions", "", "short", full, "sum by (namespace, pod, instance, version, revision, goversion) ("+now("build_info", pods)+")",
			"up", "namespace", "pod", "instance", "version", "revision", "goversion").Height(6),
	}
}

// used is the part of a limit of Marketo that is used up.
func used(limit string) string {
	of := fmt.Sprintf(`%s, limit="%s"`, calls, limit)
	return "sum by (namespace, api) (" + now("limit_usage", of) + ") / max by (namespace, api) (" + now("limit", of) + ")"
}
