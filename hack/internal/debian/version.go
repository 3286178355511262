// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package debian

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
)

var candidateLine = regexp.MustCompile(`(?m)^\s*Candidate: (\S+)$`)

// Version returns the version of a package that would be downloaded now. It asks the network
// only where apt has no lists of packages yet.
func Version(ctx context.Context, pkg string) (string, error) {
	if !present("apt-cache") {
		return "", fmt.Errorf("there is no apt-get to download %s with: install what provides it", pkg)
	}
	version, err := candidate(ctx, pkg)
	if err != nil || version != "" {
		return version, err
	}
	if err := apt(ctx, "", "update", "-qq"); err != nil {
		return "", err
	}
	version, err = candidate(ctx, pkg)
	if err == nil && version == "" {
		err = fmt.Errorf("apt knows no package %s", pkg)
	}
	return version, err
}

// candidate returns what apt's lists say; "" where they lack the package.
func candidate(ctx context.Context, pkg string) (string, error) {
	command := exec.CommandContext(ctx, "apt-cache", "policy", pkg)
	command.Env = append(os.Environ(), "LC_ALL=C")
	output, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("asking for the version of %s: %w", pkg, err)
	}
	return parseCandidate(output), nil
}

func parseCandidate(output []byte) string {
	match := candidateLine.FindSubmatch(output)
	if match == nil || string(match[1]) == "(none)" {
		return ""
	}
	return string(match[1])
}
