// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
)

func labelSet(l map[string]string) labels.Set { return l }

// forEachBundledPod runs test on the pods of the bundled driver in every input.
func forEachBundledPod(t *testing.T, test func(*testing.T, Set, corev1.PodTemplateSpec)) {
	t.Helper()
	forEachInput(t, func(t *testing.T, d *v1alpha1.CSIDriverDeployment, set Set) {
		for _, pod := range podTemplates(t, set) {
			if !custom(d) {
				test(t, set, pod)
			}
		}
	})
}

// forEachPod runs test on the pods of every input.
func forEachPod(t *testing.T, test func(*testing.T, Set, corev1.PodTemplateSpec)) {
	t.Helper()
	forEachInput(t, func(t *testing.T, _ *v1alpha1.CSIDriverDeployment, set Set) {
		for _, pod := range podTemplates(t, set) {
			test(t, set, pod)
		}
	})
}

// TestPortsOfAPodDiffer looks at ports that are declared and at those that
// containers open: all share the pod's address.
func TestPortsOfAPodDiffer(t *testing.T) {
	forEachPod(t, func(t *testing.T, _ Set, pod corev1.PodTemplateSpec) {
		declared, named, opened := map[int32]string{}, map[string]string{}, map[string]string{}
		for _, c := range pod.Spec.Containers {
			for _, p := range c.Ports {
				if other, taken := declared[p.ContainerPort]; taken {
					t.Errorf("%s and %s declare port %d", c.Name, other, p.ContainerPort)
				}
				declared[p.ContainerPort] = c.Name
				if other, taken := named[p.Name]; taken {
					t.Errorf("%s and %s name a port %q", c.Name, other, p.Name)
				}
				named[p.Name] = c.Name
				if problems := validation.IsValidPortName(p.Name); len(problems) > 0 {
					t.Errorf("port name %q: %v", p.Name, problems)
				}
			}
			for _, a := range c.Args {
				address, found := strings.CutPrefix(a, "--http-endpoint=")
				if other, taken := opened[address]; found && taken {
					t.Errorf("%s and %s open %s", c.Name, other, address)
				}
				if found {
					opened[address] = c.Name
				}
			}
		}
	})
}

// TestProbesAskAPortOfTheirContainer: kubelet resolves no other name.
func TestProbesAskAPortOfTheirContainer(t *testing.T) {
	forEachPod(t, func(t *testing.T, _ Set, pod corev1.PodTemplateSpec) {
		for _, c := range pod.Spec.Containers {
			if (c.LivenessProbe == nil) != (c.StartupProbe == nil) {
				t.Errorf("%s may be restarted before it could answer", c.Name)
			}
			for _, probe := range []*corev1.Probe{c.LivenessProbe, c.StartupProbe} {
				if probe == nil {
					continue
				}
				if probe.HTTPGet == nil || pod.Spec.HostNetwork {
					continue // of another kind, or of a port of the node
				}
				asked := probe.HTTPGet.Port.String()
				if !slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool {
					return p.Name == asked || strconv.Itoa(int(p.ContainerPort)) == asked
				}) {
					t.Errorf("%s has a probe of port %s and declares no such port", c.Name, asked)
				}
			}
		}
	})
}

func TestMountsHaveVolumesAndVolumesMounts(t *testing.T) {
	forEachPod(t, func(t *testing.T, _ Set, pod corev1.PodTemplateSpec) {
		mounted := map[string]bool{}
		for _, c := range pod.Spec.Containers {
			paths := map[string]bool{}
			for _, m := range c.VolumeMounts {
				mounted[m.Name] = true
				if paths[m.MountPath] {
					t.Errorf("%s mounts two volumes at %s", c.Name, m.MountPath)
				}
				paths[m.MountPath] = true
				bidirectional := m.MountPropagation != nil && *m.MountPropagation == corev1.MountPropagationBidirectional
				if bidirectional && (c.SecurityContext.Privileged == nil || !*c.SecurityContext.Privileged) {
					t.Errorf("%s mounts %s both ways and is not privileged", c.Name, m.MountPath)
				}
			}
		}
		for _, v := range pod.Spec.Volumes {
			if !mounted[v.Name] {
				t.Errorf("volume %q is mounted nowhere", v.Name)
			}
			delete(mounted, v.Name)
		}
		for name := range mounted {
			t.Errorf("volume %q does not exist", name)
		}
	})
}

var reference = regexp.MustCompile(`\$\(([^)]*)\)`)

// TestArgsReferToKnownEnv: an unknown reference would stay as it is written.
func TestArgsReferToKnownEnv(t *testing.T) {
	forEachPod(t, func(t *testing.T, _ Set, pod corev1.PodTemplateSpec) {
		for _, c := range pod.Spec.Containers {
			for _, m := range reference.FindAllStringSubmatch(strings.Join(c.Args, "\n"), -1) {
				if !slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool { return e.Name == m[1] }) {
					t.Errorf("%s refers to $(%s), which is not set", c.Name, m[1])
				}
			}
		}
	})
}

// TestConfinement is the list of what may do what: one container is
// privileged, three kinds are root.
func TestConfinement(t *testing.T) {
	type confinement struct {
		privileged bool
		uid        int64
	}
	want := map[string]confinement{
		"controller/driver":          {uid: 0},
		"controller/csi-provisioner": {uid: 65532},
		"controller/csi-attacher":    {uid: 65532},
		"controller/csi-resizer":     {uid: 65532},
		"controller/livenessprobe":   {uid: 65532},
		"node/driver":                {privileged: true, uid: 0},
		"node/node-driver-registrar": {uid: 0},
		"node/livenessprobe":         {uid: 0},
	}
	forEachBundledPod(t, func(t *testing.T, _ Set, pod corev1.PodTemplateSpec) {
		for _, c := range pod.Spec.Containers {
			s := c.SecurityContext
			key := pod.Labels[v1alpha1.LabelComponent] + "/" + c.Name
			if got := (confinement{*s.Privileged, *s.RunAsUser}); got != want[key] {
				t.Errorf("%s: got %+v, want %+v", key, got, want[key])
			}
			if !*s.ReadOnlyRootFilesystem || *s.RunAsNonRoot != (*s.RunAsUser != 0) {
				t.Errorf("%s: root file system is writable, or runAsNonRoot contradicts runAsUser", key)
			}
			dropsAll := s.Capabilities != nil && slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"})
			if !*s.Privileged && (*s.AllowPrivilegeEscalation || !dropsAll) {
				t.Errorf("%s may gain what it was not given", key)
			}
		}
	})
}

// TestPodsStayOutOfTheHost: false is said, not left out.
func TestPodsStayOutOfTheHost(t *testing.T) {
	forEachInput(t, func(t *testing.T, d *v1alpha1.CSIDriverDeployment, set Set) {
		for _, o := range set.Objects {
			if kind := o.Intent.GetKind(); custom(d) || kind != "Deployment" && kind != "DaemonSet" {
				continue
			}
			for _, field := range []string{"hostNetwork", "hostPID", "hostIPC"} {
				value, found, err := unstructured.NestedBool(o.Intent.Object, "spec", "template", "spec", field)
				if err != nil || !found || value {
					t.Errorf("%s: %s is %v (found %v, %v), want a claimed false", o.Intent.GetKind(), field, value, found, err)
				}
			}
		}
	})
}
