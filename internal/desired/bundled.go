// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// bundledFSType is what the pool driver makes where a class does not say.
const bundledFSType = "ext4"

// bundledArgs are the command line of the pool driver; none of another one.
func (in *inputs) bundledArgs(p part) containerEdit {
	if !in.bundled {
		return args()
	}
	list := []string{
		"--endpoint=" + endpointIn(p.os, p.socket.mountPath, p.socket.file),
		"--driver-name=" + in.driver,
		"--mode=" + string(in.mode),
		"--pool-path=" + in.pool,
		"--v=2",
	}
	if p.serve(sidecar.Controller) {
		list = append(list, "--controller")
	}
	if p.serve(sidecar.Node) {
		list = append(list, "--node", "--node-id=$(KUBE_NODE_NAME)", "--state-dir="+p.socket.mountPath+"/state")
	}
	return args(list...)
}

// poolMount has the path of the node, because volumes refer to it. Mounts
// made there later are seen, so that a file system may come after the pod.
func poolMount(pool string) corev1.VolumeMount {
	return corev1.VolumeMount{
		Name:             volumePool,
		MountPath:        pool,
		MountPropagation: new(corev1.MountPropagationHostToContainer),
	}
}
