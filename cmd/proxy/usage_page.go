package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"marketo-proxy/metrics"
)

// print writes the report for people.
func (r *usageReport) print(dst io.Writer, s screen, now time.Time) error {
	out := bufio.NewWriter(dst)
	p := &page{w: out, screen: s}
	p.heading("REST calls of "+r.Instance+" today, as Marketo counts them", "")
	zone := metrics.QuotaZone()
	day := now.In(zone).Format(time.DateOnly)
	if r.Date != "" && r.Date != day {
		p.field("counted for", r.Date+", which is not today in "+zone.String()+": Marketo counts with a delay, or a clock is wrong")
	}
	p.field("day", fmt.Sprintf("%s in %s, ends in %s, at %s", day, zone, roughly(r.Ends.Sub(now)), r.Ends.In(now.Location()).Format("2006-01-02 15:04 MST")))
	calls, color := grouped(r.Calls), ""
	if r.Limit > 0 {
		calls += fmt.Sprintf(" of %s (--rest-day-limit), %.1f %%", grouped(int64(r.Limit)), r.Percent)
		switch {
		case r.Percent >= 90:
			color = red
		case r.Percent >= 75:
			color = yellow
		}
	}
	p.printf("  %s%s\n", s.paint(dim, fmt.Sprintf("%-12s", "calls")), s.paint(color, calls))
	p.field("errors", grouped(r.Errors))
	return errors.Join(r.users(out, s), r.codes(out, s), out.Flush())
}

func (r *usageReport) users(out *bufio.Writer, s screen) error {
	if len(r.Users) == 0 {
		return nil
	}
	fmt.Fprintln(out)
	t := table{w: out, screen: s, ahead: len(r.Users), columns: []column{{title: "CALLS", right: true}, {title: "SHARE", right: true}, {title: "USER"}}}
	for _, u := range r.Users {
		share := "-"
		if r.Calls > 0 {
			share = fmt.Sprintf("%.1f %%", 100*float64(u.Calls)/float64(r.Calls))
		}
		if err := t.add(cell{grouped(u.Calls), bold}, cell{share, ""}, cell{orDash(u.User), ""}); err != nil {
			return err
		}
	}
	return t.flush()
}

func (r *usageReport) codes(out *bufio.Writer, s screen) error {
	if len(r.ErrorList) == 0 {
		return nil
	}
	fmt.Fprintln(out)
	t := table{w: out, screen: s, ahead: len(r.ErrorList), columns: []column{
		{title: "ERRORS", right: true}, {title: "CODE"}, {title: "CLASS", spare: 1}, {title: "MEANING"},
	}}
	for _, e := range r.ErrorList {
		color := classColor(e.Class, "")
		if err := t.add(cell{grouped(e.Count), bold}, cell{orDash(e.Code), color}, cell{string(e.Class), color}, cell{orDash(e.Meaning), ""}); err != nil {
			return err
		}
	}
	return t.flush()
}

// grouped is a number with a comma between thousands.
func grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// roughly is a time to wait in hours and minutes.
func roughly(d time.Duration) string {
	d = d.Round(time.Minute)
	if d < time.Hour {
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
}
