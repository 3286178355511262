// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client/config"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/version"
)

// Environment variables that give defaults.
const (
	envNamespace       = "POD_NAMESPACE"
	envPoolDriverImage = "RELATED_IMAGE_CSI_POOL_DRIVER"
)

// poolDriverRepository is where releases of the bundled driver are published.
const poolDriverRepository = "ghcr.io/csi-operator/csi-pool-driver"

type options struct {
	metricsAddress  string
	probeAddress    string
	leaderElect     bool
	namespace       string
	poolDriverImage string
	configFile      string
	configuration   desired.Configuration
	printVersion    bool
	log             zap.Options
}

// parse reads flags, with defaults from the environment. Its error is a
// sentence for the user, or flag.ErrHelp after help was written to out.
func parse(args []string, getenv func(string) string, out io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("csi-operator", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // errors are told once, by the caller
	fs.StringVar(&o.metricsAddress, "metrics-bind-address", ":8443",
		"address of the metrics endpoint, https with authentication and authorization; 0 turns it off")
	fs.StringVar(&o.probeAddress, "health-probe-bind-address", ":8081", "address of /healthz and /readyz")
	fs.BoolVar(&o.leaderElect, "leader-elect", false, "let one of several replicas work, by a Lease in --namespace")
	fs.StringVar(&o.namespace, "namespace", getenv(envNamespace),
		"namespace of the operator, and of drivers whose spec names none (default $"+envNamespace+")")
	fs.StringVar(&o.poolDriverImage, "pool-driver-image", defaultPoolDriverImage(getenv),
		"image of the bundled driver (default $"+envPoolDriverImage+", else the one of this release)")
	fs.StringVar(&o.configFile, "config", "",
		"`file` of kind OperatorConfiguration: registry, pull secrets and images of sidecars for all drivers")
	fs.BoolVar(&o.printVersion, "version", false, "print the version and exit")
	o.log.BindFlags(fs)
	config.RegisterFlags(fs)

	err := fs.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fs.SetOutput(out)
		fs.Usage()
	}
	if err != nil {
		return o, err
	}
	if err := o.validate(fs.Args()); err != nil || o.configFile == "" {
		return o, err
	}
	err = o.readConfiguration()
	return o, err
}

// readConfiguration reads the configuration file.
func (o *options) readConfiguration() error {
	text, err := os.ReadFile(o.configFile)
	if err != nil {
		return fmt.Errorf("reading the configuration: %w", err)
	}
	if o.configuration, err = desired.ReadConfiguration(text); err != nil {
		return fmt.Errorf("%s: %w", o.configFile, err)
	}
	return nil
}

func defaultPoolDriverImage(getenv func(string) string) string {
	if image := getenv(envPoolDriverImage); image != "" {
		return image
	}
	return poolDriverRepository + ":v" + version.Version
}

func (o options) validate(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q", rest[0])
	case o.printVersion:
		return nil
	case o.namespace == "":
		return fmt.Errorf("no namespace: give --namespace or set $%s", envNamespace)
	}
	if problems := validation.IsDNS1123Label(o.namespace); len(problems) > 0 {
		return fmt.Errorf("namespace %q is no namespace name: %s", o.namespace, problems[0])
	}
	if o.poolDriverImage == "" || strings.ContainsAny(o.poolDriverImage, " \t\n") {
		return fmt.Errorf("pool driver image %q is no image reference", o.poolDriverImage)
	}
	return nil
}

// facts are what rendering needs to know of this operator.
func (o options) facts() desired.Facts {
	return desired.Facts{
		OperatorNamespace: o.namespace,
		PoolDriverImage:   o.poolDriverImage,
		DriverVersion:     versionOf(o.poolDriverImage),
		Configuration:     o.configuration,
	}
}

// versionOf is the tag of an image; this release's version if it has none.
func versionOf(image string) string {
	name, _, _ := strings.Cut(image, "@")
	name = name[strings.LastIndex(name, "/")+1:] // a registry may have a port
	if _, tag, found := strings.Cut(name, ":"); found && tag != "" {
		return tag
	}
	return "v" + version.Version
}
