// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"cmp"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// inputs are a checked CSIDriverDeployment with every default filled in.
type inputs struct {
	driver    string
	uid       string
	namespace string

	image   string
	version string
	mode    v1alpha1.BundledMode
	pool    string

	kubeletDir string
	images     images

	replicas   int32
	controller part
	node       part
	classes    []v1alpha1.StorageClass
}

// part is one of the two workloads.
type part struct {
	// component is its label, name what its objects are called.
	component, name  string
	sidecars         []sidecar.Sidecar
	driverResources  corev1.ResourceRequirements
	sidecarResources corev1.ResourceRequirements
	pod              fragment
}

// defaultReplicas lets a controller pod fail without an outage.
const defaultReplicas = 2

// read checks d and fills in defaults; the error is an *InvalidError.
func read(d *v1alpha1.CSIDriverDeployment, f Facts) (inputs, error) {
	if err := check(d); err != nil {
		return inputs{}, err
	}
	controller, err := readController(d)
	if err != nil {
		return inputs{}, err
	}
	node, err := readNode(d)
	if err != nil {
		return inputs{}, err
	}
	if controller.pod.NodeSelector == nil {
		// The controller needs the pool's mount as well, which is where the node
		// pods are.
		controller.pod.NodeSelector = node.pod.NodeSelector
	}
	classes, err := readClasses(d)
	if err != nil {
		return inputs{}, err
	}
	from := readImages(d.Spec.Images)
	image, err := from.moved(f.PoolDriverImage)
	if err != nil {
		return inputs{}, err
	}
	return inputs{
		kubeletDir: cmp.Or(d.Spec.KubeletRootDir, defaultKubeletDir),
		images:     from,
		driver:     d.Name,
		uid:        string(d.UID),
		namespace:  Namespace(d, f),
		image:      image,
		version:    f.DriverVersion,
		mode:       d.Spec.Bundled.Mode,
		pool:       d.Spec.Bundled.Path,
		replicas:   orDefault(d.Spec.Controller.Replicas, defaultReplicas),
		controller: controller,
		node:       node,
		classes:    classes,
	}, nil
}

func readController(d *v1alpha1.CSIDriverDeployment) (part, error) {
	return readPart(d, part{
		component: v1alpha1.ComponentController,
		name:      NamesOf(d.Name).Controller,
		sidecars:  sidecar.In(sidecar.Controller),
	}, "spec.controller", d.Spec.Controller.Driver, d.Spec.Controller.Pod)
}

// readNode reads the one node pool; an omitted list means a pool of defaults.
func readNode(d *v1alpha1.CSIDriverDeployment) (part, error) {
	pool := v1alpha1.NodePool{Name: v1alpha1.DefaultNodePool}
	if len(d.Spec.Nodes) > 0 {
		pool = d.Spec.Nodes[0]
	}
	return readPart(d, part{
		component: pool.Name,
		name:      NamesOf(d.Name).Node,
		sidecars:  sidecar.In(sidecar.Node),
	}, "spec.nodes[0]", pool.Driver, pool.Pod)
}

// readPart fills in what the spec says about one workload; field is its path.
func readPart(d *v1alpha1.CSIDriverDeployment, p part, field string, driver v1alpha1.DriverContainerSpec, pod *runtime.RawExtension) (part, error) {
	var err error
	if p.driverResources, err = readResources(field+".driver.resources", driver.Resources, defaultDriverResources()); err != nil {
		return part{}, err
	}
	shared := d.Spec.Sidecars.Defaults.Resources
	if p.sidecarResources, err = readResources("spec.sidecars.defaults.resources", shared, sidecar.DefaultResources()); err != nil {
		return part{}, err
	}
	if p.pod, err = decodeFragment(field+".pod", pod); err != nil {
		return part{}, err
	}
	from := readImages(d.Spec.Images)
	for i, s := range p.sidecars {
		if p.sidecars[i].Repository, err = from.moved(s.Repository); err != nil {
			return part{}, err
		}
	}
	return p, nil
}

func orDefault[T any](given *T, otherwise T) T {
	if given == nil {
		return otherwise
	}
	return *given
}
