// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"cmp"
	"strings"
)

// registry has the images of the Kubernetes storage project.
const registry = "registry.k8s.io/sig-storage/"

// nothing is lacked by any driver.
func nothing(Capabilities) string { return "" }

// timeout is longer than that of the sidecars themselves: a call that is given up goes on
// in the driver, and is asked again.
func timeout(s Settings) string { return "--timeout=" + cmp.Or(s.Timeout, "60s") }

// gateOn tells whether a command line turns a feature gate on.
func gateOn(args []string, gate string) bool {
	value, _ := Flag(args, "feature-gates")
	for _, item := range strings.Split(value, ",") {
		name, state, given := strings.Cut(item, "=")
		if name == gate {
			return !given || state == "true"
		}
	}
	return false
}
