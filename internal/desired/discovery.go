// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// Answer is what is known of the capabilities of a driver that is asked for them.
type Answer struct {
	// Key tells of which driver container the answer is; see Discovery.
	Key string
	// Capabilities that the driver reported; nil if it has not answered.
	Capabilities []string
	// Last are those by which the sidecars run now; nil if none were ever known.
	Last []string
}

// Discovery is what comes of asking a driver for its capabilities.
type Discovery struct {
	// Asked is true where the spec leaves the capabilities to the driver.
	Asked bool
	// Key is that of the driver container of the spec. An answer of another key is of a
	// container that was there before.
	Key string
	// Capabilities by which the sidecars are chosen; nil as long as none are known.
	Capabilities []string
	// Lacking are sidecars that the spec wants and that would end at once, and why.
	Lacking []string
}

// discover finds out by which capabilities the sidecars of a driver are chosen.
func discover(spec v1alpha1.CSIDriverDeploymentSpec, registry string, known *Answer) (Discovery, error) {
	found := Discovery{Asked: spec.Source == v1alpha1.SourceCustom && spec.Capabilities == nil && !spec.Controller.Disabled}
	var err error
	if found.Key, err = driverKey(spec, registry); err != nil || !found.Asked {
		found.Capabilities = spec.Capabilities
		return found, err
	}
	if known != nil {
		found.Capabilities = known.hold(found.Key)
	}
	return found, nil
}

// hold are the capabilities that hold for the driver container of a key. Those of the
// last one hold until the new one answers, and then its own at once: a sidecar that the
// new container cannot serve would end beside it, and keep the rollout from ever ending.
func (a *Answer) hold(key string) []string {
	if a.Key != key || a.Capabilities == nil {
		return a.Last
	}
	return a.Capabilities
}

// driverKey is a hash of all that decides what the driver container of the controller is,
// and of no more than comes with new pods.
func driverKey(spec v1alpha1.CSIDriverDeploymentSpec, registry string) (string, error) {
	var pods [][]byte // which may be anything yet
	for _, p := range []*runtime.RawExtension{spec.Pod, spec.Controller.Pod} {
		pods = append(pods, cmp.Or(p, &runtime.RawExtension{}).Raw)
	}
	text, err := json.Marshal(struct {
		Shared, Own v1alpha1.DriverSpec
		Socket      v1alpha1.SocketSpec
		Pods        [][]byte
		Registry    string
	}{spec.Driver, spec.Controller.Driver, spec.Controller.Socket, pods, registry})
	if err != nil {
		return "", fmt.Errorf("hashing the driver: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8]), nil
}

// known tells whether it is known what the driver can do.
func (in *inputs) known() bool { return in.discovery.Capabilities != nil || !in.discovery.Asked }

// AnswerName is the ConfigMap that takes the answer.
func AnswerName(driver string) string { return Name(driver, "capabilities") }

// answerMap is empty: the inspector fills it.
func answerMap(in inputs) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		TypeMeta:   kind(corev1.SchemeGroupVersion, "ConfigMap"),
		ObjectMeta: in.namespaced(AnswerName(in.driver), v1alpha1.ComponentController),
	}
}

// inspector is the container that asks the driver of a controller pod.
func (in *inputs) inspector(p part) corev1.Container {
	address := join(p.os, p.socket.mountPath, p.socket.file)
	return container(sidecar.InspectorContainer, cmp.Or(in.config.Inspector, sidecar.InspectorImage),
		args(sidecar.InspectorArgs(address, AnswerName(in.driver), in.discovery.Key)...),
		env(sidecar.PodField("POD_NAMESPACE", "metadata.namespace")),
		resources(corev1.ResourceRequirements{Requests: corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse("5m"), corev1.ResourceMemory: resource.MustParse("16Mi"),
		}}),
		mount(corev1.VolumeMount{Name: volumeSocket, MountPath: p.socket.mountPath}),
		confined,
	)
}

// inspects tells whether the pods of a part have the inspector.
func (in *inputs) inspects(p part) bool { return in.discovery.Asked && p.serve(sidecar.Controller) }
