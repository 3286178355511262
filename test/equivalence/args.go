// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package equivalence

import (
	"slices"
	"strings"
	"time"
)

// featureGates is the one flag whose values add up when it is repeated.
const featureGates = "--feature-gates="

// countArgs is the normal form of a command line: how often each argument
// stands in it. All feature gates are one argument.
func countArgs(args []string) map[string]int {
	count := map[string]int{}
	var gates []string
	for _, raw := range args {
		arg := normalArg(raw)
		if list, found := strings.CutPrefix(arg, featureGates); found {
			gates = append(gates, strings.Split(list, ",")...)
			continue
		}
		count[arg]++
	}
	if len(gates) > 0 {
		for i, gate := range gates {
			gates[i] = strings.TrimSuffix(gate, "=true")
		}
		slices.Sort(gates)
		count[featureGates+strings.Join(gates, ",")]++
	}
	return count
}

// normalArg writes a flag with two dashes, a flag that is true without value,
// and a socket without scheme.
func normalArg(arg string) string {
	if !strings.HasPrefix(arg, "-") {
		return arg
	}
	name, value, given := strings.Cut("--"+strings.TrimLeft(arg, "-"), "=")
	if !given || value == "true" {
		return name
	}
	return name + "=" + singleBackslashes(socketPath(value))
}

// socketPath is a socket address without its scheme.
func socketPath(address string) string {
	path, found := strings.CutPrefix(address, "unix:")
	if !found {
		return address
	}
	return strings.TrimPrefix(path, "//")
}

// singleBackslashes undoes the doubling of backslashes, which manifests do as
// they like.
func singleBackslashes(path string) string {
	for strings.Contains(path, `\\`) {
		path = strings.ReplaceAll(path, `\\`, `\`)
	}
	return path
}

// sameDurations writes values of flags that are durations in one way: 60s and
// 1m are the same.
func sameDurations(args map[string]int) map[string]int {
	same := map[string]int{}
	for arg, count := range args {
		name, value, _ := strings.Cut(arg, "=")
		if d, err := time.ParseDuration(value); err == nil {
			arg = name + "=" + d.String()
		}
		same[arg] += count
	}
	return same
}
