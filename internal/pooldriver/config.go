// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pooldriver

import (
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
)

// ModeShared is a pool on a file system that all nodes mount at one path.
const ModeShared = "Shared"

const (
	defaultDriverName = "pool.csi-operator.io"
	defaultStateDir   = "/csi/state"
	endpointScheme    = "unix://"
	// maxSocketPath is what the kernel takes, less the zero byte.
	maxSocketPath = 107
)

// Config is what the process is told at its start.
type Config struct {
	Endpoint   string // unix:// and an absolute path
	DriverName string
	Mode       string // ModeShared
	PoolPath   string
	NodeID     string // the node's name; only with Node
	StateDir   string // node-local records; only with Node
	Controller bool   // serve the controller service
	Node       bool   // serve the node service
	Verbosity  int    // 0 logs what matters, 1 every call
	Version    bool   // print the version and stop
}

// Register adds the flags; getenv gives the defaults that come from the
// environment.
func (c *Config) Register(flags *flag.FlagSet, getenv func(string) string) {
	flags.StringVar(&c.Endpoint, "endpoint", getenv("CSI_ENDPOINT"), "`URL` of the socket to serve, unix:///…; default $CSI_ENDPOINT")
	flags.StringVar(&c.DriverName, "driver-name", defaultDriverName, "CSI `name` of this driver")
	flags.StringVar(&c.Mode, "mode", "", "how the pool is used: Shared (required)")
	flags.StringVar(&c.PoolPath, "pool-path", "", "absolute `path` of the pool directory (required)")
	flags.BoolVar(&c.Controller, "controller", false, "serve the controller service")
	flags.BoolVar(&c.Node, "node", false, "serve the node service")
	flags.StringVar(&c.NodeID, "node-id", getenv("KUBE_NODE_NAME"), "`name` of this node; default $KUBE_NODE_NAME")
	flags.StringVar(&c.StateDir, "state-dir", defaultStateDir, "`directory` on this node that survives a reboot")
	flags.IntVar(&c.Verbosity, "v", 0, "log `level`: 0 what matters, 1 every call")
	flags.BoolVar(&c.Version, "version", false, "print the version and stop")
}

var (
	// CSI: domain name notation, at most 63 characters.
	driverNamePattern = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
	nodeNamePattern   = driverNamePattern
)

const (
	maxDriverName = 63
	maxNodeName   = 253
)

// Validate returns everything that is wrong at once.
func (c Config) Validate() error {
	var problems []error
	refuse := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }

	if err := checkEndpoint(c.Endpoint); err != nil {
		problems = append(problems, err)
	}
	if len(c.DriverName) > maxDriverName || !driverNamePattern.MatchString(c.DriverName) {
		refuse("--driver-name %q is not a DNS name of at most %d lower-case characters", c.DriverName, maxDriverName)
	}
	if c.Mode != ModeShared {
		refuse("--mode %q is not supported; the only mode is %s", c.Mode, ModeShared)
	}
	if err := checkDirectory("--pool-path", c.PoolPath); err != nil {
		problems = append(problems, err)
	}
	if !c.Controller && !c.Node {
		refuse("nothing to serve: give --controller, --node or both")
	}
	if c.Node {
		if len(c.NodeID) > maxNodeName || !nodeNamePattern.MatchString(c.NodeID) {
			refuse("--node-id %q is not the name of a node; it is required with --node", c.NodeID)
		}
		if err := checkDirectory("--state-dir", c.StateDir); err != nil {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

func checkEndpoint(endpoint string) error {
	path, ok := strings.CutPrefix(endpoint, endpointScheme)
	if !ok || !filepath.IsAbs(path) || filepath.Clean(path) != path {
		return fmt.Errorf("--endpoint %q is not %s followed by an absolute path", endpoint, endpointScheme)
	}
	if len(path) > maxSocketPath {
		return fmt.Errorf("--endpoint %q: the path is longer than the %d bytes that a socket can have", endpoint, maxSocketPath)
	}
	return nil
}

func checkDirectory(name, path string) error {
	if !filepath.IsAbs(path) || filepath.Clean(path) != path || path == "/" {
		return fmt.Errorf("%s %q is not an absolute, clean path other than /", name, path)
	}
	return nil
}
