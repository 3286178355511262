// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package debian gets programs from Debian's packages: for the machine itself,
// and for images.
package debian

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/csi-operator/csi-operator/hack/internal/progress"
)

// requirement is a file that the machine must have and the package it is in.
type requirement struct{ file, pkg string }

// requirements are what the cluster and the tests run on the machine itself.
func requirements() []requirement {
	return []requirement{
		{"gcc", "gcc"}, // which, with the headers below, the race detector needs
		{"/usr/include/stdlib.h", "libc6-dev"},
		{"ip", "iproute2"},
		{"iptables", "iptables"},
		{"mkfs.ext4", "e2fsprogs"},
		{"mkfs.xfs", "xfsprogs"},
		{"mount", "mount"},
		{"runc", "runc"},
		{"sysctl", "procps"},
		{"/usr/lib/cni/bridge", "containernetworking-plugins"},
	}
}

// Missing returns the packages that the machine lacks, sorted.
func Missing() []string { return missing(requirements()) }

func missing(required []requirement) []string {
	var packages []string
	for _, r := range required {
		if !present(r.file) {
			packages = append(packages, r.pkg)
		}
	}
	slices.Sort(packages)
	return slices.Compact(packages)
}

// present reports whether file exists, or can be found as a command.
func present(file string) bool {
	if filepath.IsAbs(file) {
		_, err := os.Stat(file)
		return err == nil
	}
	_, err := exec.LookPath(file)
	return err == nil
}

// Install installs what the machine lacks. It asks the network for nothing if
// there is nothing missing.
func Install(ctx context.Context, printer *progress.Printer) error {
	packages := Missing()
	if len(packages) == 0 {
		return nil
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("the packages %s are missing: run this as root, or install them", strings.Join(packages, " "))
	}
	if !present("apt-get") {
		return fmt.Errorf("%s are missing and there is no apt-get: install what provides them", strings.Join(packages, ", "))
	}
	return printer.Step("installing "+strings.Join(packages, " "), func() error {
		if err := apt(ctx, "", "update", "-qq"); err != nil {
			return err
		}
		arguments := []string{"install", "-qq", "--yes", "--no-install-recommends"}
		return apt(ctx, "", append(arguments, packages...)...)
	})
}

const (
	// attempts is how often apt-get is tried: another one may hold a lock, and
	// a mirror may fail for a moment.
	attempts = 5
	// betweenAttempts is the time from a failure to the next attempt.
	betweenAttempts = 5 * time.Second
)

// apt runs apt-get in dir without asking anything.
func apt(ctx context.Context, dir string, arguments ...string) error {
	fixed := []string{"-o", "DPkg::Lock::Timeout=300", "-o", "APT::Sandbox::User=root"}
	for attempt := 1; ; attempt++ {
		command := exec.CommandContext(ctx, "apt-get", append(fixed, arguments...)...)
		command.Dir = dir
		command.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C")
		output, err := command.CombinedOutput()
		if err == nil {
			return nil
		}
		err = fmt.Errorf("running apt-get %s: %w: %s", strings.Join(arguments, " "), err, lastLines(string(output)))
		if attempt == attempts {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(betweenAttempts):
		}
	}
}

// lastLines returns the end of a command's output, where its errors are.
func lastLines(output string) string {
	const count = 5
	lines := strings.Split(strings.TrimSpace(output), "\n")
	return strings.Join(lines[max(0, len(lines)-count):], "\n")
}

// Unpack downloads the packages and unpacks them, without installing them, into
// dir/root. The downloads are left in dir/packages.
func Unpack(ctx context.Context, dir string, packages ...string) (root string, err error) {
	downloads := filepath.Join(dir, "packages")
	root = filepath.Join(dir, "root")
	for _, folder := range []string{downloads, root} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return "", fmt.Errorf("unpacking packages: %w", err)
		}
	}
	if err := download(ctx, downloads, packages); err != nil {
		return "", err
	}
	archives, err := filepath.Glob(filepath.Join(downloads, "*.deb"))
	if err != nil {
		return "", fmt.Errorf("unpacking packages: %w", err)
	}
	for _, archive := range archives {
		output, err := exec.CommandContext(ctx, "dpkg", "-x", archive, root).CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("unpacking %q: %w: %s", archive, err, output)
		}
	}
	return root, nil
}

// download fetches the packages as files into dir. The lists of packages may be
// older than the mirror, or not be there at all: then they are fetched as well.
func download(ctx context.Context, dir string, packages []string) error {
	command := exec.CommandContext(ctx, "apt-get", append([]string{"download", "-qq"}, packages...)...)
	command.Dir = dir
	if command.Run() == nil {
		return nil
	}
	if err := apt(ctx, "", "update", "-qq"); err != nil {
		return err
	}
	return apt(ctx, dir, append([]string{"download", "-qq"}, packages...)...)
}
