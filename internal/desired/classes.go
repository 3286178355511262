// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// classes are all classes of a driver.
type classes struct {
	storage    []v1alpha1.StorageClass
	snapshot   []v1alpha1.VolumeSnapshotClass
	group      []v1alpha1.VolumeGroupSnapshotClass
	attributes []v1alpha1.VolumeAttributesClass
	// secrets are the sidecars that a class has read Secrets.
	secrets map[sidecar.Role]bool
}

// Kinds of classes that not every cluster has.
var (
	snapshotClassKind      = schema.GroupVersionKind{Group: "snapshot.storage.k8s.io", Version: "v1", Kind: "VolumeSnapshotClass"}
	groupSnapshotClassKind = schema.GroupVersionKind{Group: "groupsnapshot.storage.k8s.io", Version: "v1", Kind: "VolumeGroupSnapshotClass"}
	attributesClassKind    = storagev1.SchemeGroupVersion.WithKind("VolumeAttributesClass")
)

// readClasses reads the classes; the bundled driver has one where nothing is said.
func readClasses(d *v1alpha1.CSIDriverDeployment) (classes, error) {
	spec := d.DeepCopy().Spec
	c := classes{
		storage: spec.StorageClasses, snapshot: spec.VolumeSnapshotClasses,
		group: spec.VolumeGroupSnapshotClasses, attributes: spec.VolumeAttributesClasses,
		secrets: map[sidecar.Role]bool{},
	}
	if c.storage == nil && !custom(d) {
		c.storage = []v1alpha1.StorageClass{{
			Name:                 d.Name,
			VolumeBindingMode:    new(storagev1.VolumeBindingWaitForFirstConsumer),
			AllowVolumeExpansion: new(true),
		}}
	}
	for i := range c.storage {
		class := &c.storage[i]
		if err := c.readParameters(fmt.Sprintf("spec.storageClasses[%d]", i), &class.Parameters, storageSecrets(class.Secrets), storageParameters[:]); err != nil {
			return c, err
		}
	}
	for i := range c.snapshot {
		class := &c.snapshot[i]
		if err := c.readParameters(fmt.Sprintf("spec.volumeSnapshotClasses[%d]", i), &class.Parameters, snapshotSecrets(class.Secrets), nil); err != nil {
			return c, err
		}
	}
	for i := range c.group {
		class := &c.group[i]
		if err := c.readParameters(fmt.Sprintf("spec.volumeGroupSnapshotClasses[%d]", i), &class.Parameters, groupSecrets(class.Secrets), nil); err != nil {
			return c, err
		}
	}
	if custom(d) {
		return c, nil
	}
	return c, c.checkBundled()
}

// unserved are the classes of kinds that the cluster does not have, or that a sidecar does
// not know, and why.
func (in inputs) unserved() []string {
	var list []string
	for _, c := range in.classes.snapshot {
		if !in.served.Snapshots {
			list = append(list, snapshotClassKind.Kind+" "+c.Name+": the cluster lacks its CustomResourceDefinition")
		}
	}
	for _, c := range in.classes.group {
		if !in.served.GroupSnapshots {
			list = append(list, groupSnapshotClassKind.Kind+" "+c.Name+": the cluster lacks its CustomResourceDefinition")
		}
	}
	for _, c := range in.classes.attributes {
		if why := in.ignored(); why != "" {
			list = append(list, attributesClassKind.Kind+" "+c.Name+": "+why)
		}
	}
	return list
}

// ignored says why VolumeAttributesClasses have no effect; empty where they have.
func (in inputs) ignored() string {
	if !in.served.AttributesClasses {
		return "the API server does not serve storage.k8s.io/v1 of it"
	}
	for _, p := range in.parts {
		for _, s := range p.sidecars {
			if serves, since := s.ServesAttributesClasses(); !serves {
				return s.Name + " " + s.Version + " does not know storage.k8s.io/v1 of it; choose " + since + " or newer in spec.sidecars." + string(s.Role) + ".version"
			}
		}
	}
	return ""
}

// checkModifySecrets refuses a class that would have the provisioner refuse every claim.
func (in *inputs) checkModifySecrets() error {
	const parameter = prefix + "controller-modify-secret-name"
	for _, p := range in.parts {
		for _, s := range p.sidecars {
			for i, c := range in.classes.storage {
				_, given := c.Parameters[parameter]
				if takes, since := s.TakesModifySecrets(); given && !takes {
					return invalid(fmt.Sprintf("spec.storageClasses[%d].secrets.controllerModify", i),
						"%s %s does not know it and would refuse every claim; choose %s or newer in spec.sidecars.%s.version", s.Name, s.Version, since, s.Role)
				}
			}
		}
	}
	return nil
}

// classItems are the classes that the cluster can have.
func classItems(in inputs) []item {
	var list []item
	for _, c := range in.classes.storage {
		list = append(list, item{StepWorkloads, storageClass(in, c)})
	}
	for _, c := range in.classes.attributes {
		if in.served.AttributesClasses {
			list = append(list, item{StepWorkloads, attributesClass(in, c)})
		}
	}
	for _, c := range in.classes.snapshot {
		if in.served.Snapshots {
			list = append(list, item{StepWorkloads, in.snapshotClass(snapshotClassKind, c.Name, c.Default, c.DeletionPolicy, c.Parameters)})
		}
	}
	for _, c := range in.classes.group {
		if in.served.GroupSnapshots {
			list = append(list, item{StepWorkloads, in.snapshotClass(groupSnapshotClassKind, c.Name, c.Default, c.DeletionPolicy, c.Parameters)})
		}
	}
	return list
}

// storageClass claims what cannot be changed later, also where it says what
// Kubernetes would assume.
func storageClass(in inputs, c v1alpha1.StorageClass) *storagev1.StorageClass {
	return &storagev1.StorageClass{
		TypeMeta:             kind(storagev1.SchemeGroupVersion, "StorageClass"),
		ObjectMeta:           in.class(c.Name, c.Default, "storageclass.kubernetes.io/is-default-class"),
		Provisioner:          in.driver,
		Parameters:           c.Parameters,
		MountOptions:         c.MountOptions,
		ReclaimPolicy:        new(orDefault(c.ReclaimPolicy, corev1.PersistentVolumeReclaimDelete)),
		VolumeBindingMode:    new(orDefault(c.VolumeBindingMode, storagev1.VolumeBindingImmediate)),
		AllowVolumeExpansion: c.AllowVolumeExpansion,
		AllowedTopologies:    c.AllowedTopologies,
	}
}

func attributesClass(in inputs, c v1alpha1.VolumeAttributesClass) *storagev1.VolumeAttributesClass {
	return &storagev1.VolumeAttributesClass{
		TypeMeta:   kind(storagev1.SchemeGroupVersion, attributesClassKind.Kind),
		ObjectMeta: in.class(c.Name, false, ""),
		DriverName: in.driver,
		Parameters: c.Parameters,
	}
}

// snapshotClass is a class of snapshots or of group snapshots, which are made alike and
// whose types would bring a client along.
func (in inputs) snapshotClass(kind schema.GroupVersionKind, name string, isDefault bool, policy v1alpha1.DeletionPolicy, parameters map[string]string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{
		"driver":         in.driver,
		"deletionPolicy": string(cmp.Or(policy, v1alpha1.DeletionPolicyDelete)),
	}}
	u.SetGroupVersionKind(kind)
	m := in.class(name, isDefault, kind.Group[:strings.Index(kind.Group, ".")]+".storage.kubernetes.io/is-default-class")
	u.SetName(m.Name)
	u.SetLabels(m.Labels)
	u.SetAnnotations(m.Annotations)
	if len(parameters) > 0 {
		u.Object["parameters"] = toAny(parameters)
	}
	return u
}

func toAny(texts map[string]string) map[string]any {
	out := make(map[string]any, len(texts))
	for key, text := range texts {
		out[key] = text
	}
	return out
}

// class is the metadata of a class, which may be the default one.
func (in inputs) class(name string, isDefault bool, annotation string) metav1.ObjectMeta {
	m := in.cluster(name, "")
	if isDefault {
		m.Annotations[annotation] = "true"
	}
	return m
}

// secret is a Secret that a class has a sidecar read, and under which parameter.
type secret struct {
	parameter string // without csi.storage.k8s.io/ and -name or -namespace
	reader    sidecar.Role
	ref       *v1alpha1.SecretReference
}

func storageSecrets(s v1alpha1.StorageClassSecrets) []secret {
	return []secret{
		{"secret", sidecar.Provisioner, s.Default},
		{"provisioner-secret", sidecar.Provisioner, s.Provisioner},
		{"controller-publish-secret", sidecar.Attacher, s.ControllerPublish},
		{"node-stage-secret", "", s.NodeStage},
		{"node-publish-secret", "", s.NodePublish},
		{"controller-expand-secret", sidecar.Resizer, s.ControllerExpand},
		{"node-expand-secret", "", s.NodeExpand},
		{"controller-modify-secret", sidecar.Resizer, s.ControllerModify},
	}
}

func snapshotSecrets(s v1alpha1.SnapshotSecrets) []secret {
	return []secret{
		{"snapshotter-secret", sidecar.Snapshotter, s.Snapshotter},
		{"snapshotter-list-secret", sidecar.Snapshotter, s.SnapshotterList},
	}
}

func groupSecrets(s v1alpha1.GroupSnapshotSecrets) []secret {
	return []secret{
		{"group-snapshotter-secret", sidecar.Snapshotter, s.GroupSnapshotter},
		{"group-snapshotter-get-secret", sidecar.Snapshotter, s.GroupSnapshotterGet},
	}
}

// prefix is of the parameters that sidecars read themselves and pass to no driver.
const prefix = "csi.storage.k8s.io/"

// storageParameters are those of StorageClasses that name no Secret.
var storageParameters = [...]string{"fstype"}

// readParameters puts the Secrets among the parameters, and refuses what a sidecar
// would refuse at the first claim: half a Secret, and parameters that it does not know.
func (c *classes) readParameters(field string, parameters *map[string]string, secrets []secret, known []string) error {
	for _, s := range secrets {
		name, namespace := prefix+s.parameter+"-name", prefix+s.parameter+"-namespace"
		if s.ref != nil {
			if (*parameters)[name] != "" || (*parameters)[namespace] != "" {
				return invalid(field+".parameters["+name+"]", "is given twice: keep it in secrets only")
			}
			if *parameters == nil {
				*parameters = map[string]string{}
			}
			(*parameters)[name], (*parameters)[namespace] = s.ref.Name, s.ref.Namespace
		}
		_, named := (*parameters)[name]
		_, placed := (*parameters)[namespace]
		if named != placed {
			return invalid(field+".parameters", "%s and %s belong together: give both, or use secrets", name, namespace)
		}
		if named {
			c.read(s)
		}
		known = append(known[:len(known):len(known)], s.parameter+"-name", s.parameter+"-namespace")
	}
	for _, key := range slices.Sorted(maps.Keys(*parameters)) {
		if name, ours := strings.CutPrefix(key, prefix); ours && !slices.Contains(known, name) {
			return invalid(field+".parameters["+key+"]", "is not known to the sidecars, which would refuse every claim; they know %s", prefix+strings.Join(known, ", "+prefix))
		}
	}
	return nil
}

// read notes who reads a Secret; the default one is for all of StorageClasses.
func (c *classes) read(s secret) {
	if s.reader != "" {
		c.secrets[s.reader] = true
	}
	if s.parameter == "secret" {
		c.secrets[sidecar.Attacher], c.secrets[sidecar.Resizer] = true, true
	}
}
