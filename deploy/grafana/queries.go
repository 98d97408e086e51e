package main

import "fmt"

// The queries of a metric of ours: its value now, its rate, and how much it grew from point to point or in all the time that is shown.

func now(metric, selector string) string {
	return fmt.Sprintf("marketo_proxy_%s{%s}", metric, selector)
}

func rate(metric, selector string) string {
	return "rate(" + now(metric, selector) + "[$__rate_interval])"
}

func count(metric, selector string) string {
	return "increase(" + now(metric, selector) + "[$__rate_interval])"
}

func shown(metric, selector string) string {
	return "increase(" + now(metric, selector) + "[$__range])"
}

// quantile and total ask for classic histograms and, where Prometheus keeps those in their place, for native ones.

func quantile(q float64, metric, selector, by string) string {
	buckets := "le"
	if by != "" {
		buckets = by + ", le"
	}
	return fmt.Sprintf("histogram_quantile(%g, sum by (%s) (%s)) or histogram_quantile(%g, sum by (%s) (%s))",
		q, buckets, rate(metric+"_bucket", selector), q, by, rate(metric, selector))
}

// total is of "sum" or "count", a second.
func total(what, metric, selector, by string) string {
	return fmt.Sprintf("(sum by (%s) (%s) or histogram_%s(sum by (%s) (%s)))",
		by, rate(metric+"_"+what, selector), what, by, rate(metric, selector))
}
