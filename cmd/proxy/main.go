// The program marketo-proxy: a sidecar between applications and Marketo that keeps every failing call, explains it, counts it,
// and renews expired signatures and access tokens.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"reflect"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2 // wrong usage or configuration

	exitDifferent = 1 // replay: another outcome than the captured one
	exitNotSent   = 3 // replay: the request could not be sent
)

// exitError ends the program with a code of its own; err, if not nil, says why.
type exitError struct {
	code int
	err  error
}

func (e exitError) Error() string { return fmt.Sprint(e.err) }
func (e exitError) Unwrap() error { return e.err }

// usageError is a mistake in flags, environment or configuration.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// world is what a command may touch besides files and the network.
type world struct {
	ctx    context.Context
	env    environment
	stdout io.Writer
	stderr io.Writer
}

type cli struct {
	Serve    serveCommand    `cmd:"" default:"withargs" help:"Run the proxy (the default command)."`
	Demo     demoCommand     `cmd:"" help:"Show it all on this machine: an emulated Marketo, the proxy, some traffic, and what was captured."`
	Emulate  emulateCommand  `cmd:"" help:"Run a stand-in for a Marketo instance that fails on demand."`
	Captures capturesCommand `cmd:"" help:"Read the captures on disk, also while the proxy runs."`
	Replay   replayCommand   `cmd:"" help:"Send a captured request again with a fresh credential, and compare the two answers."`
	Ticket   ticketCommand   `cmd:"" help:"Write one zip for a support ticket, personal data masked."`
	Codes    codesCommand    `cmd:"" help:"Explain Marketo's error codes."`
	Check    checkCommand    `cmd:"" help:"Check the configuration of serve, and whether Marketo can be reached."`
	CA       caCommand       `cmd:"" name:"ca" help:"Print the public certificate of the interception CA."`
	Version  versionCommand  `cmd:"" help:"Print the version."`
	Probe    probeCommand    `cmd:"" help:"Ask a running proxy for its health, where there is no curl: exit 0 if it is well."`
}

// run is the whole program: all that it reads is a parameter. It blocks until the command is done or ctx ends.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	env := newEnvironment(environ)
	exited := -1
	parser, err := newParser(&cli{}, env, stdout, stderr, func(code int) { exited = code; panic(exitNow{}) })
	if err != nil {
		fmt.Fprintf(stderr, "marketo-proxy: %v\n", err)
		return exitUsage
	}
	parsed, err := parse(parser, args)
	if exited >= 0 {
		return exited // --help
	}
	if err == nil {
		err = env.unknown()
	}
	if err != nil {
		fmt.Fprintf(stderr, "marketo-proxy: %s (see marketo-proxy --help)\n", oneLine(err))
		return exitUsage
	}
	err = parsed.Run(&world{ctx, env, stdout, stderr})
	var usage usageError
	var exit exitError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &exit):
		if exit.err != nil {
			fmt.Fprintf(stderr, "marketo-proxy: %s\n", oneLine(err))
		}
		return exit.code
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "marketo-proxy: %s\n", oneLine(err))
		return exitUsage
	default:
		fmt.Fprintf(stderr, "marketo-proxy: %s\n", oneLine(err))
		return exitFailed
	}
}

// newParser makes the parser of the command line; exit is called after --help.
func newParser(c *cli, env environment, stdout, stderr io.Writer, exit func(code int)) (*kong.Kong, error) {
	return kong.New(c,
		kong.Name("marketo-proxy"),
		kong.Description("A sidecar between applications and Marketo: keeps every failing call, explains it, counts it, and renews expired signatures and access tokens."),
		kong.Writers(stdout, stderr),
		kong.Exit(exit),
		kong.Resolvers(env.resolver()),
		kong.TypeMapper(reflect.TypeFor[byteSize](), byteSizeMapper{}),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, Summary: true}),
		kong.Vars{"state": env.stateDir()},
		kong.ValueFormatter(helpWithEnvironment),
	)
}

// exitNow ends parsing after --help; kong means to call os.Exit there.
type exitNow struct{}

func parse(k *kong.Kong, args []string) (parsed *kong.Context, err error) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(exitNow); !ok {
				panic(r)
			}
		}
	}()
	return k.Parse(args)
}

// oneLine keeps the promise that an error is one line, however many it joins.
func oneLine(err error) string {
	return strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}
