// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

// maxDriverName is what PersistentVolumes accept in spec.csi.driver.
const maxDriverName = 63

// check refuses what would render into nonsense. Most of it cannot be stored:
// the schema says it first. It is repeated here, because an object may be
// older than its schema and what comes out runs as root on every node.
func check(d *v1alpha1.CSIDriverDeployment) error {
	for _, rule := range []func(*v1alpha1.CSIDriverDeployment) error{
		checkName, checkSource, checkPoolPath, checkKubeletDir, checkNodes,
	} {
		if err := rule(d); err != nil {
			return err
		}
	}
	return nil
}

func checkName(d *v1alpha1.CSIDriverDeployment) error {
	if len(d.Name) > maxDriverName {
		return invalid("metadata.name", "is the CSI driver name and may have at most %d characters; choose a shorter name", maxDriverName)
	}
	if problems := validation.IsDNS1123Subdomain(d.Name); len(problems) > 0 {
		return invalid("metadata.name", "cannot be a CSI driver name: %s", problems[0])
	}
	return nil
}

func checkSource(d *v1alpha1.CSIDriverDeployment) error {
	if s := d.Spec.Source; s != "" && s != v1alpha1.SourceBundled {
		return invalid("spec.source", "%q is not known; use %s", s, v1alpha1.SourceBundled)
	}
	b := d.Spec.Bundled
	if b == nil {
		return invalid("spec.bundled", "is required: set mode and path")
	}
	if b.Mode != v1alpha1.BundledShared {
		return invalid("spec.bundled.mode", "%q is not known; use %s", b.Mode, v1alpha1.BundledShared)
	}
	return nil
}

// plainPath admits no character that means something in a command line.
var plainPath = regexp.MustCompile(`^(/[A-Za-z0-9_.-]+)+$`)

// checkPoolPath admits a path that the node and the container can share, and
// that holds nothing else.
func checkPoolPath(d *v1alpha1.CSIDriverDeployment) error {
	const field = "spec.bundled.path"
	p := d.Spec.Bundled.Path
	if err := checkPlain(field, p); err != nil {
		return err
	}
	if slices.Contains(v1alpha1.SystemDirectories(), p) {
		return invalid(field, "%q is a directory of the system; choose one below it that holds nothing but the pool", p)
	}
	for _, taken := range v1alpha1.SystemTrees() {
		if strings.HasPrefix(p+"/", taken+"/") {
			return invalid(field, "%q lies in %s, a directory of the system that cannot hold a pool; choose another one", p, taken)
		}
	}
	return nil
}

func checkKubeletDir(d *v1alpha1.CSIDriverDeployment) error {
	if d.Spec.KubeletRootDir == "" {
		return nil
	}
	return checkPlain("spec.kubeletRootDir", d.Spec.KubeletRootDir)
}

// checkPlain admits what can be a path on the node and in a command line.
func checkPlain(field, p string) error {
	if !plainPath.MatchString(p) || path.Clean(p) != p {
		return invalid(field, "%q must be an absolute path below the root directory, without . or .., of letters, digits and _.- only", p)
	}
	return nil
}

func checkNodes(d *v1alpha1.CSIDriverDeployment) error {
	for i, pool := range d.Spec.Nodes {
		if i > 0 || pool.Name != v1alpha1.DefaultNodePool {
			return invalid(fmt.Sprintf("spec.nodes[%d]", i), "one pool is possible, and its name is %q", v1alpha1.DefaultNodePool)
		}
	}
	return nil
}
