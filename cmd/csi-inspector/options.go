// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/csi-operator/csi-operator/internal/inspect"
)

// envNamespace gives the default of --namespace.
const envNamespace = "POD_NAMESPACE"

const (
	defaultAddress  = "/csi/csi.sock"
	defaultPatience = 30 * time.Second
	// maxSocketPath is what the kernel takes, less the zero byte.
	maxSocketPath = 107
)

type options struct {
	csiAddress   string
	configMap    string
	namespace    string
	key          string
	patience     time.Duration
	kubeconfig   string
	verbosity    int
	printVersion bool
}

// parse reads flags, with defaults from the environment. Its error is a sentence
// for the user, or flag.ErrHelp after help was written to out.
func parse(args []string, getenv func(string) string, out io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("csi-inspector", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // errors are told once, by the caller
	fs.StringVar(&o.csiAddress, "csi-address", defaultAddress, "absolute `path` of the driver's socket")
	fs.StringVar(&o.configMap, "config-map", "", "`name` of the ConfigMap that takes the answer; it is not created (required)")
	fs.StringVar(&o.namespace, "namespace", getenv(envNamespace), "namespace of the ConfigMap (default $"+envNamespace+")")
	fs.StringVar(&o.key, "key", "", "`text` that is copied into the answer")
	fs.DurationVar(&o.patience, "patience", defaultPatience, "how long the driver may take before its silence is written")
	fs.StringVar(&o.kubeconfig, "kubeconfig", "", "`path` of a kubeconfig; without it, the cluster of this pod")
	fs.IntVar(&o.verbosity, "v", 0, "log `level`: 0 what matters, 1 every call")
	fs.BoolVar(&o.printVersion, "version", false, "print the version and exit")

	err := fs.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fs.SetOutput(out)
		fs.Usage()
	}
	if err != nil {
		return o, err
	}
	return o, o.validate(fs.Args())
}

func (o options) validate(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q", rest[0])
	case o.printVersion:
		return nil
	case !filepath.IsAbs(o.csiAddress) || len(o.csiAddress) > maxSocketPath:
		return fmt.Errorf("--csi-address %q is not an absolute path of at most %d bytes", o.csiAddress, maxSocketPath)
	case o.configMap == "":
		return errors.New("no ConfigMap: give --config-map")
	case o.namespace == "":
		return fmt.Errorf("no namespace: give --namespace or set $%s", envNamespace)
	case len(o.key) > inspect.MaxKey:
		return fmt.Errorf("--key has %d bytes, more than %d", len(o.key), inspect.MaxKey)
	case o.patience <= 0:
		return fmt.Errorf("--patience %s is not positive", o.patience)
	}
	if problems := validation.IsDNS1123Subdomain(o.configMap); len(problems) > 0 {
		return fmt.Errorf("--config-map %q is no name of a ConfigMap: %s", o.configMap, problems[0])
	}
	if problems := validation.IsDNS1123Label(o.namespace); len(problems) > 0 {
		return fmt.Errorf("--namespace %q is no name of a namespace: %s", o.namespace, problems[0])
	}
	return nil
}

func (o options) level() slog.Level {
	if o.verbosity > 0 {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}
