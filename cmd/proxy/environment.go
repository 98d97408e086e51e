package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"
)

const envPrefix = "MARKETO_PROXY_"

// environment is the process's environment as it was at the start.
type environment map[string]string

func newEnvironment(environ []string) environment {
	env := environment{}
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok {
			env[name] = value
		}
	}
	return env
}

func envName(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// resolver gives every flag its variable: --capture-dir is MARKETO_PROXY_CAPTURE_DIR. An empty variable is an unset one.
func (env environment) resolver() kong.Resolver {
	return kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		if value := env[envName(flag.Name)]; value != "" && hasVariable(flag.Name) {
			return value, nil
		}
		return nil, nil
	})
}

// hasVariable tells whether a flag has a variable. What may change something in Marketo is allowed by hand, each time; what asks another
// question is asked by hand.
func hasVariable(flag string) bool {
	return flag != "help" && flag != "allow-writes" && flag != "running" && flag != "usage"
}

// stateDir is where state lives that no flag moves elsewhere (XDG Base Directory Specification).
func (env environment) stateDir() string {
	if dir := env["XDG_STATE_HOME"]; filepath.IsAbs(dir) {
		return filepath.Join(dir, "marketo-proxy")
	}
	if home := env["HOME"]; filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "state", "marketo-proxy")
	}
	return filepath.Join(string(filepath.Separator), "var", "lib", "marketo-proxy")
}

// unknown refuses secrets in the environment, where other processes and crash reports see them.
func (env environment) unknown() error {
	for name := range env {
		upper := strings.ToUpper(name)
		if strings.HasPrefix(upper, envPrefix) && (strings.HasSuffix(upper, "_KEY") && upper != envName("ca-key") && upper != envName("tls-key") ||
			strings.HasSuffix(upper, "_SECRET") || strings.HasSuffix(upper, "_TOKEN") && upper != envName("move-access-token")) {
			return fmt.Errorf("the variable %s looks like a secret: secrets come from files only, see --credentials-dir", name)
		}
	}
	return nil
}

// helpWithEnvironment shows the default and the variable of a flag in its help.
func helpWithEnvironment(value *kong.Value) string {
	if value.Flag == nil {
		return value.Help
	}
	var also []string
	if value.HasDefault && !value.IsBool() {
		also = append(also, "default "+value.Default)
	}
	if hasVariable(value.Name) {
		also = append(also, "$"+envName(value.Name))
	}
	if len(also) == 0 {
		return value.Help
	}
	return strings.TrimSuffix(value.Help, ".") + " (" + strings.Join(also, "; ") + ")."
}

// byteSize is a number of bytes, written like 64MiB, 1GB or 4096.
type byteSize int64

var errSize = errors.New("a size is a number with B, KB, MB, GB, TB, KiB, MiB, GiB or TiB, like 64MiB")

func parseByteSize(s string) (byteSize, error) {
	s = strings.TrimSpace(s)
	digits := strings.TrimRight(s, "BKMGTibkmgt ")
	unit := strings.ToLower(strings.TrimSpace(s[len(digits):]))
	factor, ok := map[string]float64{
		"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40,
		"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40, "ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30, "ti": 1 << 40,
	}[unit]
	number, err := strconv.ParseFloat(digits, 64)
	if !ok || err != nil || strings.Trim(digits, "0123456789.") != "" || number*factor > 1<<62 {
		return 0, fmt.Errorf("%q: %w", s, errSize)
	}
	return byteSize(number * factor), nil
}

func (b byteSize) String() string {
	for _, unit := range []struct {
		name string
		size byteSize
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if b >= unit.size && b%unit.size == 0 {
			return fmt.Sprintf("%d%s", b/unit.size, unit.name)
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

type byteSizeMapper struct{}

func (byteSizeMapper) Decode(ctx *kong.DecodeContext, target reflect.Value) error {
	token, err := ctx.Scan.PopValue("size")
	if err != nil {
		return err
	}
	size, err := parseByteSize(fmt.Sprint(token.Value))
	if err != nil {
		return err
	}
	target.SetInt(int64(size))
	return nil
}
