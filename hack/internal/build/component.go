// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package build makes the binaries of the local cluster from Go modules, once
// per version, in the user's cache folder.
package build

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Component is a set of binaries that are built from one module below hack/build.
type Component struct {
	// Name is the component's name and its module's folder below hack/build.
	Name string
	// Packages are the import paths of the commands; "." is the module itself.
	Packages []string
	// Links are the names by which the multi-call binary Name is called; nil if
	// it is none.
	Links []string
	// versionOf is the module whose version is stamped into the binaries by
	// ldflags; both are empty if the binaries need no stamp.
	versionOf string
	ldflags   func(version string) []string
}

// Components returns everything that can be built, in the order of building.
func Components() []Component {
	return []Component{Kubernetes(), Containerd(), Sidecars()}
}

// Find returns the component called name.
func Find(name string) (Component, error) {
	var names []string
	for _, c := range Components() {
		if c.Name == name {
			return c, nil
		}
		names = append(names, c.Name)
	}
	return Component{}, fmt.Errorf("%q is no component: use one of %s", name, strings.Join(names, ", "))
}

// Kubernetes is etcd, the control plane, the kubelet and kubectl. Its folder
// serves as KUBEBUILDER_ASSETS.
func Kubernetes() Component {
	return Component{
		Name:      "kubernetes",
		Packages:  []string{"."},
		Links:     []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "kubelet"},
		versionOf: "k8s.io/kubernetes",
		ldflags:   kubernetesVersion,
	}
}

// Containerd is the container runtime, its shim and its client.
func Containerd() Component {
	const module = "github.com/containerd/containerd/v2"
	return Component{
		Name:      "containerd",
		Packages:  []string{module + "/cmd/containerd", module + "/cmd/containerd-shim-runc-v2", module + "/cmd/ctr"},
		versionOf: module,
		ldflags: func(version string) []string {
			return []string{"-X " + module + "/version.Version=" + version}
		},
	}
}

// Sidecars are the CSI sidecars that can be built from the Go module proxy, and the
// snapshot controller.
func Sidecars() Component {
	return Component{
		Name: "sidecars",
		Packages: []string{
			"github.com/kubernetes-csi/external-attacher/v4/cmd/csi-attacher",
			"github.com/kubernetes-csi/external-provisioner/v6/cmd/csi-provisioner",
			"github.com/kubernetes-csi/external-resizer/v2/cmd/csi-resizer",
			"github.com/kubernetes-csi/external-snapshotter/v8/cmd/csi-snapshotter",
			"github.com/kubernetes-csi/external-snapshotter/v8/cmd/snapshot-controller",
		},
	}
}

func kubernetesVersion(version string) []string {
	const stamp = "-X k8s.io/component-base/version."
	numbers := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	return []string{
		stamp + "gitVersion=" + version,
		stamp + "gitMajor=" + numbers[0],
		stamp + "gitMinor=" + numbers[1],
		stamp + "gitTreeState=clean",
	}
}

// requiredVersion returns the version of module that the go.mod in dir requires.
func requiredVersion(dir, module string) (string, error) {
	path := filepath.Join(dir, "go.mod")
	content, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("reading the version of %q: %w", module, err)
	}
	line := regexp.MustCompile(`(?m)^(?:require)?\s*` + regexp.QuoteMeta(module) + ` (v\d+\.\d+\.\d+\S*)`)
	match := line.FindSubmatch(content)
	if match == nil {
		return "", fmt.Errorf("reading the version of %q: %q does not require it", module, path)
	}
	return string(match[1]), nil
}

// arguments returns the arguments of the go command that build c into out.
func (c Component) arguments(moduleDir, out string) ([]string, error) {
	linker := []string{"-s", "-w"}
	if c.ldflags != nil {
		version, err := requiredVersion(moduleDir, c.versionOf)
		if err != nil {
			return nil, err
		}
		linker = append(linker, c.ldflags(version)...)
	}
	return slices.Concat(
		[]string{"build", "-v", "-trimpath", "-buildvcs=false", "-ldflags", strings.Join(linker, " "), "-o", out + "/"},
		c.Packages,
	), nil
}
