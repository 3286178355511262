// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/plan"
)

// phase is what a driver was asked to be last.
type phase string

const (
	absent    phase = "absent"
	managed   phase = "managed"
	planned   phase = "planned"   // managementState Plan, with a change that is not to be made
	unmanaged phase = "unmanaged" // managementState Unmanaged
	held      phase = "held"      // deleted, and something keeps it
	deleted   phase = "deleted"
	released  phase = "released" // deleted while Unmanaged: its objects stay
)

// lives tells whether the deployment must be there.
func (p phase) lives() bool { return p == managed || p == planned || p == unmanaged || p == held }

// activity is what kind of work the last step gives the operator.
type activity string

const (
	install activity = "install"
	change  activity = "change"
	removal activity = "removal"
)

// driver is one CSIDriverDeployment, with what was asked of it and what therefore must
// hold.
type driver struct {
	name, namespace string // namespace as in the spec
	phase           phase
	last            activity
	settings        settings
	uid             types.UID // of the deployment
	generation      int64     // of what was asked for last

	// asked says that something was done to it since it was last found as it must be.
	asked bool
	// stands are objects that may neither vanish nor be made anew.
	stands map[plan.Ref]types.UID
	// still are the versions of objects that nobody may write, the deployment too.
	still map[plan.Ref]string
	// restless are objects that may come, go and be made anew until the driver is
	// found as it must be.
	restless map[plan.Ref]bool
	// kept are restless objects that must be the same ones in the end.
	kept map[plan.Ref]types.UID
	// had are all objects that the driver had: one that is not wanted any more must
	// be gone, also if somebody took the label away.
	had map[plan.Ref]types.UID
	// holder keeps the driver while it is held.
	holder holder
}

func newDriver(name, namespace string) *driver {
	d := &driver{name: name, namespace: namespace, phase: absent}
	d.forget()
	return d
}

// forget ends all that must hold.
func (d *driver) forget() {
	d.stands, d.kept, d.had = map[plan.Ref]types.UID{}, map[plan.Ref]types.UID{}, map[plan.Ref]types.UID{}
	d.still, d.restless = map[plan.Ref]string{}, map[plan.Ref]bool{}
}

// settings are what the spec is made of; the numbers count changes.
type settings struct {
	state                         v1alpha1.ManagementState
	controller, node, pod, shared int
	// classes: whether the list is given, and what is in it.
	listed, plain, extra, fixed, noatime bool
}

func (d *driver) deployment() *v1alpha1.CSIDriverDeployment {
	return &v1alpha1.CSIDriverDeployment{ObjectMeta: metav1.ObjectMeta{Name: d.name}, Spec: d.spec()}
}

// spec is what is asked for.
func (d *driver) spec() v1alpha1.CSIDriverDeploymentSpec {
	s := v1alpha1.CSIDriverDeploymentSpec{
		ManagementState: d.settings.state,
		Namespace:       d.namespace,
		Source:          v1alpha1.SourceBundled,
		Bundled:         &v1alpha1.BundledDriver{Mode: v1alpha1.BundledShared, Path: "/srv/pools/" + d.name},
	}
	s.Controller.Driver.Resources = requests(d.settings.controller)
	s.Sidecars.Defaults.Resources = requests(d.settings.shared)
	if d.settings.node > 0 || d.settings.pod > 0 {
		pool := v1alpha1.NodePool{Name: v1alpha1.DefaultNodePool}
		pool.Driver.Resources = requests(d.settings.node)
		if n := d.settings.pod; n > 0 { // the controller's pods go where the nodes' are
			pool.Pod = &runtime.RawExtension{Raw: fmt.Appendf(nil,
				`{"nodeSelector":{"example.com/rack":"%d"},"tolerations":[{"key":"example.com/%d","operator":"Exists"}]}`, n, n)}
		}
		s.Nodes = []v1alpha1.NodePool{pool}
	}
	if d.settings.listed {
		s.StorageClasses = d.classes()
	}
	return s
}

func requests(n int) *corev1.ResourceRequirements {
	if n == 0 {
		return nil
	}
	return &corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: *resource.NewMilliQuantity(int64(n), resource.DecimalSI)}}
}

// classes is the list of classes, which may be empty. What Kubernetes lets nobody
// change is as in the class that an omitted list gives.
func (d *driver) classes() []v1alpha1.StorageClass {
	list := []v1alpha1.StorageClass{}
	for _, c := range []struct {
		wanted bool
		ref    plan.Ref
	}{{d.settings.plain, d.plainClass()}, {d.settings.extra, d.extraClass()}} {
		if !c.wanted {
			continue
		}
		class := v1alpha1.StorageClass{Name: c.ref.Name, VolumeBindingMode: new(storagev1.VolumeBindingWaitForFirstConsumer)}
		class.AllowVolumeExpansion = new(!d.settings.fixed)
		if d.settings.noatime {
			class.MountOptions = []string{"noatime"}
		}
		list = append(list, class)
	}
	return list
}

func (d *driver) plainClass() plan.Ref { return plan.Ref{Kind: "StorageClass", Name: d.name} }

func (d *driver) extraClass() plan.Ref {
	return plan.Ref{Kind: "StorageClass", Name: d.name + "-extra"}
}

// where is the namespace of the pods.
func (d *driver) where() string { return desired.Namespace(d.deployment(), facts) }

// unharmed is an error if anything is lost, made anew or written that must not be,
// however far the operator is.
func (d *driver) unharmed(s sight) error {
	now := s.deployments[d.name]
	if d.phase.lives() && (now == nil || now.UID != d.uid) {
		return fmt.Errorf("%s was lost: it was %s, with uid %s, and is %+v", d.name, d.phase, d.uid, now)
	}
	if d.phase == deleted || d.phase == released {
		return nil
	}
	there := s.objects[d.name]
	for ref, uid := range d.stands {
		switch o := there[ref]; {
		case o == nil:
			return fmt.Errorf("%s of %s has vanished", ref, d.name)
		case o.GetUID() != uid:
			return fmt.Errorf("%s of %s was made anew: uid %s was %s", ref, d.name, o.GetUID(), uid)
		}
	}
	for ref, version := range d.still {
		got := ""
		if o := there[ref]; o != nil {
			got = o.GetResourceVersion()
		} else if ref == d.ref() {
			got = now.ResourceVersion
		}
		if got != version {
			return fmt.Errorf("%s of %s was written, though nothing was asked: version %q was %q", ref, d.name, got, version)
		}
	}
	return nil
}

// ref is the deployment itself.
func (d *driver) ref() plan.Ref { return plan.Ref{Kind: v1alpha1.Kind, Name: d.name} }

// learn notes which objects are there now and must stay.
func (d *driver) learn(s sight) {
	if d.phase != managed {
		return
	}
	wanted := map[plan.Ref]bool{}
	set, err := desired.Render(d.deployment(), facts)
	if err != nil {
		return // converged tells of it
	}
	for _, o := range set.Objects {
		wanted[plan.RefOf(o.Intent)] = true
	}
	for ref, o := range s.objects[d.name] {
		if wanted[ref] && !d.restless[ref] {
			d.stands[ref], d.had[ref] = o.GetUID(), o.GetUID()
		}
	}
}

// rest notes that the driver was found as it must be: what is there stays, and is
// written no more until something is asked.
func (d *driver) rest(s sight) {
	d.asked = false
	switch d.phase {
	case deleted, released:
		d.phase = absent
		d.forget()
	case managed, unmanaged:
		d.forget()
		for ref, o := range s.objects[d.name] {
			d.stands[ref], d.had[ref], d.still[ref] = o.GetUID(), o.GetUID(), o.GetResourceVersion()
		}
		d.still[d.ref()] = s.deployments[d.name].ResourceVersion
	case planned: // its objects are still already
		d.still[d.ref()] = s.deployments[d.name].ResourceVersion
	case absent, held:
	}
}

// ask notes that something is asked of the driver.
func (d *driver) ask(s activity) {
	d.asked, d.last = true, s
	delete(d.still, d.ref())
}

// move notes that its objects may be written.
func (d *driver) move() { clear(d.still) }

// unsettle notes that objects may come, go and be made anew.
func (d *driver) unsettle(chosen func(plan.Ref) bool) {
	for ref := range maps.Clone(d.stands) {
		if chosen(ref) {
			d.restless[ref] = true
			delete(d.stands, ref)
		}
	}
}
