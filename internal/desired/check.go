// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// maxDriverName is what PersistentVolumes accept in spec.csi.driver.
const maxDriverName = 63

// check refuses what would render into nonsense. Part of it cannot be stored:
// the schema says it first. It is repeated here, because an object may be
// older than its schema and what comes out runs as root on every node.
func check(d *v1alpha1.CSIDriverDeployment) error {
	rules := []func(*v1alpha1.CSIDriverDeployment) error{
		checkName, checkSource, checkCapabilities, checkKubeletDir, checkLayout, checkController, checkNodes, checkCSIDriver, checkRules, checkTaint,
	}
	for _, rule := range rules {
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
	switch s := d.Spec.Source; s {
	case v1alpha1.SourceCustom:
		if d.Spec.Bundled != nil {
			return invalid("spec.bundled", "configures the bundled driver; leave it out for source Custom")
		}
		return nil
	case "", v1alpha1.SourceBundled:
		return checkBundled(d)
	default:
		return invalid("spec.source", "%q is not known; use %s or %s", s, v1alpha1.SourceBundled, v1alpha1.SourceCustom)
	}
}

func checkBundled(d *v1alpha1.CSIDriverDeployment) error {
	b := d.Spec.Bundled
	if b == nil {
		return invalid("spec.bundled", "is required: set mode and path")
	}
	if b.Mode != v1alpha1.BundledShared {
		return invalid("spec.bundled.mode", "%q is not known; use %s", b.Mode, v1alpha1.BundledShared)
	}
	if err := checkPoolPath(b.Path); err != nil {
		return err
	}
	return checkBundledOnly(d)
}

// setting is a field of the spec, and whether it is given.
type setting struct {
	field string
	given bool
}

// bundledSidecars are the settings of sidecars that the bundled driver decides: it needs
// these, where they are.
func bundledSidecars(field string, s v1alpha1.SidecarsSpec) []setting {
	var list []setting
	for _, role := range [...]sidecar.Role{sidecar.Provisioner, sidecar.Attacher, sidecar.NodeDriverRegistrar} {
		spec := specOf(s, role)
		list = append(list,
			setting{field + "." + string(role) + ".enabled", spec.Enabled != nil && !*spec.Enabled},
			setting{field + "." + string(role) + ".placement", spec.Placement != ""})
	}
	return list
}

// checkBundledOnly refuses what would make another driver of the bundled one.
func checkBundledOnly(d *v1alpha1.CSIDriverDeployment) error {
	spec := d.Spec
	settings := []setting{
		{"spec.driver.args", spec.Driver.Args != nil},
		{"spec.controller.driver.args", spec.Controller.Driver.Args != nil},
		{"spec.capabilities", spec.Capabilities != nil},
		{"spec.storageCapacity", spec.StorageCapacity != nil},
		{"spec.layout", spec.Layout == v1alpha1.LayoutSinglePod},
		{"spec.controller.disabled", spec.Controller.Disabled},
		{"spec.csiDriver.attachRequired", spec.CSIDriver != nil && spec.CSIDriver.AttachRequired != nil},
		{"spec.csiDriver.volumeLifecycleModes", spec.CSIDriver != nil && spec.CSIDriver.VolumeLifecycleModes != nil},
		{"spec.controller.kubeletMounts", spec.Controller.KubeletMounts != nil},
	}
	settings = append(settings, bundledSidecars("spec.sidecars", spec.Sidecars)...)
	settings = append(settings, bundledSidecars("spec.controller.sidecars", spec.Controller.Sidecars)...)
	for i, pool := range spec.Nodes {
		field := fmt.Sprintf("spec.nodes[%d]", i)
		settings = append(settings,
			setting{field + ".driver.args", pool.Driver.Args != nil}, setting{field + ".os", pool.OS == corev1.Windows},
			setting{field + ".kubeletMounts", pool.KubeletMounts != nil})
		settings = append(settings, bundledSidecars(field+".sidecars", pool.Sidecars)...)
	}
	for _, s := range settings {
		if s.given {
			return invalid(s.field, "is decided by the bundled driver itself; leave it out")
		}
	}
	return nil
}

var (
	// plainPath and windowsPath admit no character that means something in a command line.
	plainPath   = regexp.MustCompile(`^(/[A-Za-z0-9_.-]+)+$`)
	windowsPath = regexp.MustCompile(`^[A-Za-z]:(\\[A-Za-z0-9_.-]+)+$`)
	belowPath   = regexp.MustCompile(`^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$`)
)

// checkPoolPath admits a path that the node and the container can share, and
// that holds nothing else.
func checkPoolPath(p string) error {
	const field = "spec.bundled.path"
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
	return checkAbsolute("spec.kubeletRootDir", corev1.Linux, d.Spec.KubeletRootDir)
}

// checkAbsolute admits nothing, and what can be a path on a node of a system.
func checkAbsolute(field string, os corev1.OSName, p string) error {
	switch {
	case p == "":
		return nil
	case os != corev1.Windows:
		return checkPlain(field, p)
	case !windowsPath.MatchString(p) || strings.Contains(p+`\`, `\..\`) || strings.Contains(p+`\`, `\.\`):
		return invalid(field, "%q must be an absolute path of Windows with its drive, without . or .., of letters, digits and _.- only", p)
	default:
		return nil
	}
}

// checkPlain admits what can be a path on the node and in a command line.
func checkPlain(field, p string) error {
	if !plainPath.MatchString(p) || path.Clean(p) != p {
		return invalid(field, "%q must be an absolute path below the root directory, without . or .., of letters, digits and _.- only", p)
	}
	return nil
}

func checkCapabilities(d *v1alpha1.CSIDriverDeployment) error {
	known := sidecar.KnownCapabilities()
	for i, c := range d.Spec.Capabilities {
		if !slices.Contains(known, c) {
			return invalid(fmt.Sprintf("spec.capabilities[%d]", i), "%q is not known; known are %s", c, strings.Join(known, ", "))
		}
	}
	if !custom(d) || d.Spec.Capabilities != nil {
		return nil
	}
	if d.Spec.Controller.Disabled {
		return invalid("spec.capabilities", "is required where there is no controller pod to ask the driver: list what it reports, such as %s, or [] for nothing", sidecar.CreateVolume)
	}
	for _, s := range sidecar.Catalogue() {
		if specOf(d.Spec.Sidecars, s.Role).Placement == v1alpha1.PlacementNode {
			return invalid("spec.capabilities", "is required with placement Node of %s: the driver of the controller pod does not tell of that of the node pods", s.Role)
		}
	}
	return nil
}

func checkLayout(d *v1alpha1.CSIDriverDeployment) error {
	if d.Spec.Layout != v1alpha1.LayoutSinglePod {
		return nil
	}
	if len(d.Spec.Nodes) > 0 {
		return invalid("spec.nodes", "layout SinglePod has no node pools; leave nodes out")
	}
	if d.Spec.Controller.Disabled {
		return invalid("spec.controller.disabled", "layout SinglePod needs the controller workload; leave it out")
	}
	return nil
}

func checkController(d *v1alpha1.CSIDriverDeployment) error {
	c := d.Spec.Controller
	kind := string(c.Kind)
	switch {
	case c.Strategy.Type == "Recreate" && kind == kindStatefulSet:
		return invalid("spec.controller.strategy.type", "Recreate is of Deployments; a StatefulSet has RollingUpdate and OnDelete")
	case c.Strategy.Type == "OnDelete" && kind != kindStatefulSet:
		return invalid("spec.controller.strategy.type", "OnDelete is of StatefulSets; a Deployment has RollingUpdate and Recreate")
	case c.Strategy.MaxSurge != nil && (d.Spec.Layout == v1alpha1.LayoutSinglePod || c.Socket.Dir != ""):
		return invalid("spec.controller.strategy.maxSurge", "is impossible with layout SinglePod and with socket.dir: old and new pod of a node would listen at one socket; leave it out")
	case isZero(c.Strategy.MaxUnavailable) && (c.Strategy.MaxSurge == nil || isZero(c.Strategy.MaxSurge)):
		return invalid("spec.controller.strategy.maxUnavailable", "0 lets no pod be replaced; use 1 or more, or give maxSurge")
	case c.Strategy.MaxSurge != nil && kind == kindStatefulSet:
		return invalid("spec.controller.strategy.maxSurge", "is of Deployments; leave it out for a StatefulSet")
	}
	for _, s := range []struct {
		field string
		share *intstr.IntOrString
	}{
		{"strategy.maxUnavailable", c.Strategy.MaxUnavailable}, {"strategy.maxSurge", c.Strategy.MaxSurge},
		{"podDisruptionBudget.maxUnavailable", c.PodDisruptionBudget.MaxUnavailable}, {"podDisruptionBudget.minAvailable", c.PodDisruptionBudget.MinAvailable},
	} {
		if err := checkShare("spec.controller."+s.field, s.share, 0); err != nil {
			return err
		}
	}
	return checkPart("spec.controller", corev1.Linux, c.Part)
}

// isZero tells whether a share is given and none.
func isZero(share *intstr.IntOrString) bool {
	return share != nil && (share.String() == "0" || share.String() == "0%")
}

// checkShare admits a number that is not too small, and what the schema says of
// percentages.
func checkShare(field string, share *intstr.IntOrString, least int) error {
	if share != nil && share.Type == intstr.Int && share.IntValue() < least {
		return invalid(field, "%d is too small; use %d or more, or a percentage such as 10%%", share.IntValue(), least)
	}
	return nil
}

func checkNodes(d *v1alpha1.CSIDriverDeployment) error {
	if err := checkShare("spec.rollout.maxUnavailable", d.Spec.Rollout.MaxUnavailable, 1); err != nil {
		return err
	}
	for i, pool := range d.Spec.Nodes {
		field := fmt.Sprintf("spec.nodes[%d]", i)
		if problems := validation.IsDNS1123Label(pool.Name); len(problems) > 0 || len(pool.Name) > maxPoolName || pool.Name == v1alpha1.ComponentController {
			return invalid(field+".name", "%q cannot name a pool: use at most %d small letters, digits and dashes, and not %q", pool.Name, maxPoolName, v1alpha1.ComponentController)
		}
		if err := checkShare(field+".rollout.maxUnavailable", pool.Rollout.MaxUnavailable, 1); err != nil {
			return err
		}
		if err := checkAbsolute(field+".kubeletRootDir", pool.OS, pool.KubeletRootDir); err != nil {
			return err
		}
		if err := checkPart(field, pool.OS, pool.Part); err != nil {
			return err
		}
	}
	return nil
}

// maxPoolName keeps the names of objects below the limit of Kubernetes.
const maxPoolName = 15

// checkPart checks what controller and node pools have in common.
func checkPart(field string, os corev1.OSName, p v1alpha1.Part) error {
	if dir := p.Socket.Dir; !belowPath.MatchString(dir) || path.Clean(dir) != dir || strings.HasPrefix(dir, ".") {
		if err := checkAbsolute(field+".socket.dir", os, dir); err != nil {
			return err
		}
	}
	if err := checkAbsolute(field+".socket.mountPath", os, p.Socket.MountPath); err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(p.SelectorLabels)) {
		if strings.HasPrefix(key, v1alpha1.GroupVersion.Group+"/") {
			return invalid(field+".selectorLabels["+key+"]", "labels of %s are the operator's; choose another one", v1alpha1.GroupVersion.Group)
		}
	}
	return nil
}

func checkCSIDriver(d *v1alpha1.CSIDriverDeployment) error {
	if d.Spec.CSIDriver != nil && d.Spec.CSIDriver.StorageCapacity != nil {
		return invalid("spec.csiDriver.storageCapacity", "is refused; use spec.storageCapacity, which also sets the flags and rights that belong to it")
	}
	return nil
}

// checkRules refuses rules that would grant nothing.
func checkRules(d *v1alpha1.CSIDriverDeployment) error {
	for _, list := range []struct {
		field string
		rules []rbacv1.PolicyRule
	}{
		{"controller", d.Spec.RBAC.Controller}, {"node", d.Spec.RBAC.Node},
		{"controllerNamespace", d.Spec.RBAC.ControllerNamespace}, {"nodeNamespace", d.Spec.RBAC.NodeNamespace},
	} {
		for i, r := range list.rules {
			if len(r.Verbs) == 0 || len(r.NonResourceURLs) == 0 && (len(r.APIGroups) == 0 || len(r.Resources) == 0) {
				return invalid(fmt.Sprintf("spec.rbac.%s[%d]", list.field, i), "grants nothing: a rule has verbs, and either apiGroups with resources or nonResourceURLs")
			}
		}
	}
	return nil
}
