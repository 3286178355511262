// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"cmp"
	"slices"

	storagev1 "k8s.io/api/storage/v1"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// inputs are a checked CSIDriverDeployment with every default filled in.
type inputs struct {
	spec      v1alpha1.CSIDriverDeploymentSpec
	driver    string
	uid       string
	namespace string

	bundled bool
	image   string // of the bundled driver
	version string
	mode    v1alpha1.BundledMode
	pool    string

	images       images
	config       Configuration
	discovery    Discovery
	capabilities sidecar.Capabilities
	served       Served
	kubernetes   int
	openShift    bool
	capacity     bool
	taint        string // key of the startup taint; empty for none
	classes      classes
	parts        []part
	found        found
	warnings     []string
	absent       string
}

// read checks d and fills in defaults; the error is an *InvalidError.
func read(d *v1alpha1.CSIDriverDeployment, f Facts) (inputs, error) {
	if err := check(d); err != nil {
		return inputs{}, err
	}
	in := inputs{
		spec:      *d.Spec.DeepCopy(),
		driver:    d.Name,
		uid:       string(d.UID),
		namespace: Namespace(d, f),
		bundled:   !custom(d),
		images:    readImages(d.Spec.Images, f.Configuration.Images),
		config:    f.Configuration,
		served:    f.Served,
		capacity:  orDefault(d.Spec.StorageCapacity, false),
		taint:     StartupTaint(d),
		found:     found{},

		kubernetes: f.Kubernetes,
		openShift:  f.OpenShift,
	}
	if in.bundled {
		in.image, in.version = f.PoolDriverImage, f.DriverVersion
		in.mode, in.pool = d.Spec.Bundled.Mode, d.Spec.Bundled.Path
		in.capabilities = bundledCapabilities()
	}
	var err error
	if in.discovery, err = discover(in.spec, in.images.registry, f.Answer); err != nil {
		return inputs{}, err
	}
	if !in.bundled {
		in.capabilities = sidecar.NewCapabilities(in.discovery.Capabilities...)
	}
	if in.capacity && in.known() && !in.capabilities[sidecar.GetCapacity] {
		in.capacity = false
		if err := in.unable("spec.storageCapacity", "storageCapacity", sidecar.GetCapacity); err != nil {
			return inputs{}, err
		}
	}
	if in.classes, err = readClasses(d); err != nil {
		return inputs{}, err
	}
	if err = in.readParts(); err != nil {
		return inputs{}, err
	}
	return in, in.checkTaintedNodes()
}

// custom tells whether the driver is another one than the bundled one.
func custom(d *v1alpha1.CSIDriverDeployment) bool { return d.Spec.Source == v1alpha1.SourceCustom }

// bundledCapabilities are those of the pool driver in mode Shared, as far as they
// decide something.
func bundledCapabilities() sidecar.Capabilities {
	return sidecar.NewCapabilities(
		sidecar.ControllerService, sidecar.AccessibleTopology,
		sidecar.CreateVolume, sidecar.PublishVolume, sidecar.ControllerExpand, sidecar.NodeExpand,
	)
}

// readParts reads the workloads: the controller, if there is one, and the node pools.
func (in *inputs) readParts() error {
	spec := &in.spec
	if !spec.Controller.Disabled {
		in.parts = append(in.parts, in.controllerPart())
	}
	for i, pool := range pools(spec) {
		in.parts = append(in.parts, in.nodePart(i, pool))
	}
	if err := checkParts(*in); err != nil {
		return err
	}
	for i := range in.parts {
		if err := in.parts[i].complete(in); err != nil {
			return err
		}
	}
	if !in.known() { // sidecars are missing, of which a removal may tell
		return checkPools(in.parts)
	}
	if err := in.found.unfound(); err != nil {
		return err
	}
	if err := checkWishes(in); err != nil {
		return err
	}
	if err := checkPorts(in.parts); err != nil {
		return err
	}
	if err := in.checkModifySecrets(); err != nil {
		return err
	}
	if err := in.checkRights(); err != nil {
		return err
	}
	return checkPools(in.parts)
}

// pools are the node pools of a spec; an omitted list means a pool of defaults.
func pools(spec *v1alpha1.CSIDriverDeploymentSpec) []v1alpha1.NodePool {
	switch {
	case spec.Layout == v1alpha1.LayoutSinglePod:
		return nil
	case spec.Nodes == nil:
		return []v1alpha1.NodePool{{Name: v1alpha1.DefaultNodePool}}
	default:
		return spec.Nodes
	}
}

// runs tells whether a role runs anywhere.
func (in inputs) runs(role sidecar.Role) bool {
	return slices.ContainsFunc(in.parts, func(p part) bool { return p.runs(role) })
}

// csiDriverSpec is what the spec says about the CSIDriver object.
func (in inputs) csiDriverSpec() storagev1.CSIDriverSpec {
	return *cmp.Or(in.spec.CSIDriver, &storagev1.CSIDriverSpec{}).DeepCopy()
}

func orDefault[T any](given *T, otherwise T) T {
	if given == nil {
		return otherwise
	}
	return *given
}
