// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

const endpointScheme = "unix://"

// Options are what the flags say.
type Options struct {
	Endpoint      string
	DriverName    string
	DriverVersion string
	NodeID        string
	DataDir       string
	CapacityBytes int64
	Claims        Claims
	Behaviour     Behaviour
	Controller    bool
	Node          bool
}

// Parse reads flags, with the endpoint's default from the environment. Its error
// is a sentence for the user, or flag.ErrHelp after help was written to out.
func Parse(args []string, getenv func(string) string, out io.Writer) (Options, error) {
	o := Options{Claims: defaultClaims(), Behaviour: Normal}
	flags := flag.NewFlagSet("driver", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // errors are told once, by the caller
	flags.StringVar(&o.Endpoint, "endpoint", getenv("CSI_ENDPOINT"), "socket to serve at, unix:///… (default $CSI_ENDPOINT)")
	flags.StringVar(&o.DriverName, "driver-name", "", "name of the CSI driver")
	flags.StringVar(&o.DriverVersion, "driver-version", "v1.0.0", "version to report; empty: none")
	flags.StringVar(&o.NodeID, "node-id", "", "id of this node, needed with --node")
	flags.StringVar(&o.DataDir, "data-dir", "", "directory of all data, the same for all processes")
	flags.Int64Var(&o.CapacityBytes, "capacity", 100<<30, "bytes that GetCapacity reports")
	flags.Var(&o.Claims, "capabilities", "what is claimed: a comma-separated `list` of Service/NAME")
	flags.Var(&o.Behaviour, "behaviour", "`name`: normal, hang, crash, crash-at-start or not-ready; the file behaviour-<driver-name> in the data directory overrides it")
	flags.BoolVar(&o.Controller, "controller", true, "serve the controller and group controller services")
	flags.BoolVar(&o.Node, "node", true, "serve the node service")

	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		flags.SetOutput(out)
		flags.Usage()
	}
	if err != nil {
		return o, err
	}
	return o, o.validate(flags.Args())
}

func (o Options) validate(rest []string) error {
	socket, ok := strings.CutPrefix(o.Endpoint, endpointScheme)
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q", rest[0])
	case !ok || !filepath.IsAbs(socket):
		return fmt.Errorf("--endpoint %q is not %s and an absolute path", o.Endpoint, endpointScheme)
	case o.DriverName == "" || strings.Contains(o.DriverName, "/"):
		return fmt.Errorf("--driver-name %q is no name of a driver", o.DriverName)
	case !filepath.IsAbs(o.DataDir):
		return fmt.Errorf("--data-dir %q is no absolute path", o.DataDir)
	case o.Node && (o.NodeID == "" || strings.Contains(o.NodeID, "/")):
		return fmt.Errorf("--node-id %q is no id of a node; --node needs one", o.NodeID)
	}
	return nil
}
