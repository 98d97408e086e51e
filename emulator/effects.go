package emulator

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// effects are what the rules and headers of one call add up to.
type effects struct {
	code string // to fail with
	page string // "html502" or "http503": an answer from something in front of Marketo

	partial string

	slow, drip time.Duration
	hang       bool
	reset      bool
	cut        bool
	cutAfter   int64 // bytes; 0 is the middle

	empty, malformed, badGzip bool

	encoding string // "gzip" or "identity"
	chunked  bool
	size     int64
	charset  string // "ISO-8859-1" or "UTF-16"

	status  int // of a fault
	message string

	noCode, noDetail, soap12, server, oneLine, numbers, expired bool
}

func (e *effects) addAll(list []Effect) error {
	for _, effect := range list {
		if err := e.add(effect); err != nil {
			return err
		}
	}
	return nil
}

// add merges one effect, or says what is wrong with it.
func (e *effects) add(effect Effect) (err error) {
	name, value := effect.Name, effect.Value
	if isCode(name) {
		e.code = name
		return noValue(effect)
	}
	if page, ok := strings.CutPrefix(name, "html"); ok && page != "" || strings.HasPrefix(name, "http") && name != "http" {
		e.page = name
		if _, err := parseStatus(name[len("http"):]); err != nil {
			return err
		}
		return noValue(effect)
	}
	if flag := e.flag(name); flag != nil {
		*flag = true
		return noValue(effect)
	}
	switch name {
	case "":
		return fmt.Errorf("an effect is missing: give a code such as 20011, or slow, cut, reset, html502, partial …")
	case "partial":
		e.partial = value
		if value == "" {
			e.partial = "FAILED"
		}
	case "slow":
		e.slow, err = parseDuration(effect, time.Second)
	case "drip":
		e.drip, err = parseDuration(effect, 50*time.Millisecond)
	case "cut":
		e.cut = true
		if value != "" {
			e.cutAfter, err = parseSize(value)
		}
	case "size":
		e.size, err = parseSize(value)
	case "gzip", "identity":
		e.encoding, err = name, noValue(effect)
	case "latin1":
		e.charset, err = "ISO-8859-1", noValue(effect)
	case "utf16":
		e.charset, err = "UTF-16", noValue(effect)
	case "status":
		e.status, err = parseStatus(value)
	case "message":
		e.message = value
	default:
		return fmt.Errorf("there is no effect %q: give a code such as 20011, or slow, cut, reset, html502, partial …", name)
	}
	return err
}

// flag is where an effect without a value is kept, or nil.
func (e *effects) flag(name string) *bool {
	switch name {
	case "hang":
		return &e.hang
	case "reset":
		return &e.reset
	case "empty":
		return &e.empty
	case "malformed":
		return &e.malformed
	case "badgzip":
		return &e.badGzip
	case "chunked":
		return &e.chunked
	case "nocode":
		return &e.noCode
	case "nodetail":
		return &e.noDetail
	case "soap12":
		return &e.soap12
	case "server":
		return &e.server
	case "oneline":
		return &e.oneLine
	case "number":
		return &e.numbers
	case "expired":
		return &e.expired
	}
	return nil
}

// isCode tells whether name is a number as Marketo's codes are.
func isCode(name string) bool {
	for _, r := range name {
		if r < '0' || r > '9' {
			return false
		}
	}
	return len(name) >= 3 && len(name) <= 6
}

func noValue(effect Effect) error {
	if effect.Value != "" {
		return fmt.Errorf("effect %q takes no value", effect.Name)
	}
	return nil
}

func parseStatus(text string) (int, error) {
	status, err := strconv.Atoi(text)
	if err != nil || status < 200 || status > 599 {
		return 0, fmt.Errorf("%q is not an HTTP status between 200 and 599", text)
	}
	return status, nil
}

func parseDuration(effect Effect, otherwise time.Duration) (time.Duration, error) {
	if effect.Value == "" {
		return otherwise, nil
	}
	d, err := time.ParseDuration(effect.Value)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("effect %s: %q is not a duration such as 500ms or 3s", effect.Name, effect.Value)
	}
	return d, nil
}

// parseSize reads bytes with an optional unit of 1000 (kB, MB, GB) or 1024 (KiB, MiB, GiB).
func parseSize(text string) (int64, error) {
	number, factor := strings.TrimSpace(text), int64(1)
	for _, unit := range [...]struct {
		suffix string
		bytes  int64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}} {
		if n, ok := strings.CutSuffix(number, unit.suffix); ok {
			number, factor = n, unit.bytes
			break
		}
	}
	n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
	if err != nil || n < 1 || n > math.MaxInt64/factor {
		return 0, fmt.Errorf("%q is not a size such as 65536, 10MB or 1GiB", text)
	}
	return n * factor, nil
}
