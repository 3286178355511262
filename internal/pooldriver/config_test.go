// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"flag"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func validConfig() Config {
	return Config{
		Endpoint:   "unix:///csi/csi.sock",
		DriverName: defaultDriverName,
		Mode:       ModeShared,
		PoolPath:   "/pool",
		NodeID:     "node-a.example.org",
		StateDir:   defaultStateDir,
		Controller: true,
		Node:       true,
	}
}

func TestConfigValidate(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Config)
		want   string // in the error; empty: valid
	}{
		"Valid":           {func(*Config) {}, ""},
		"ControllerOnly":  {func(c *Config) { c.Node, c.NodeID, c.StateDir = false, "", "" }, ""},
		"NoService":       {func(c *Config) { c.Controller, c.Node = false, false }, "--controller"},
		"NoEndpoint":      {func(c *Config) { c.Endpoint = "" }, "--endpoint"},
		"TCP":             {func(c *Config) { c.Endpoint = "tcp://127.0.0.1:1" }, "--endpoint"},
		"RelativeSocket":  {func(c *Config) { c.Endpoint = "unix://csi.sock" }, "--endpoint"},
		"LongSocket":      {func(c *Config) { c.Endpoint = "unix:///" + strings.Repeat("s", 107) }, "107 bytes"},
		"NoMode":          {func(c *Config) { c.Mode = "" }, `--mode "" is not supported; the only mode is Shared`},
		"LocalMode":       {func(c *Config) { c.Mode = "Local" }, "Shared"},
		"NoPool":          {func(c *Config) { c.PoolPath = "" }, "--pool-path"},
		"RelativePool":    {func(c *Config) { c.PoolPath = "pool" }, "--pool-path"},
		"UncleanPool":     {func(c *Config) { c.PoolPath = "/pool/../etc" }, "--pool-path"},
		"RootPool":        {func(c *Config) { c.PoolPath = "/" }, "--pool-path"},
		"LongName":        {func(c *Config) { c.DriverName = strings.Repeat("d", 64) }, "--driver-name"},
		"UpperCaseName":   {func(c *Config) { c.DriverName = "Pool" }, "--driver-name"},
		"SlashInName":     {func(c *Config) { c.DriverName = "a/b" }, "--driver-name"},
		"NoNode":          {func(c *Config) { c.NodeID = "" }, "--node-id"},
		"HostileNode":     {func(c *Config) { c.NodeID = "../a" }, "--node-id"},
		"RelativeRecords": {func(c *Config) { c.StateDir = "state" }, "--state-dir"},
	} {
		t.Run(name, func(t *testing.T) {
			config := validConfig()
			test.change(&config)
			err := config.Validate()
			if test.want == "" {
				must(t, err)
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v does not say %q", err, test.want)
			}
		})
	}
}

func TestConfigFlags(t *testing.T) {
	environment := map[string]string{"CSI_ENDPOINT": "unix:///csi/csi.sock", "KUBE_NODE_NAME": "node-a.example.org"}
	var config Config
	flags := flag.NewFlagSet("test", flag.ContinueOnError)
	config.Register(flags, func(name string) string { return environment[name] })
	must(t, flags.Parse([]string{"--mode=Shared", "--pool-path=/pool", "--controller", "--node"}))
	if diff := cmp.Diff(validConfig(), config); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
