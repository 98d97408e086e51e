package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
)

// Set by the linker (-X main.version=… -X main.revision=…); a build without that asks the toolchain.
var version, revision string

type buildInfo struct {
	Version  string `json:"version"`
	Revision string `json:"revision"`
	Go       string `json:"go"`
}

func build() buildInfo {
	b := buildInfo{version, revision, runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		if b.Version == "" && info.Main.Version != "(devel)" {
			b.Version = info.Main.Version
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && b.Revision == "" {
				b.Revision = s.Value
			}
		}
	}
	if b.Version == "" {
		b.Version = "dev"
	}
	if b.Revision == "" {
		b.Revision = "unknown"
	}
	return b
}

type versionCommand struct {
	JSON bool `name:"json" help:"As one JSON object."`
}

func (c *versionCommand) Run(w *world) error {
	b := build()
	if c.JSON {
		return json.NewEncoder(w.stdout).Encode(b)
	}
	_, err := fmt.Fprintf(w.stdout, "marketo-proxy %s (commit %s, %s)\n", b.Version, b.Revision, b.Go)
	return err
}
