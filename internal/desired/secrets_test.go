// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSecretsOfClasses are parameters by the names that the sidecars read:
// external-provisioner pkg/controller/controller.go and external-snapshotter
// pkg/utils/util.go.
func TestSecretsOfClasses(t *testing.T) {
	d := customOf(t, `  capabilities: [Controller/CREATE_DELETE_VOLUME, Controller/CREATE_DELETE_SNAPSHOT]
  storageClasses:
  - name: c
    secrets:
      default: {name: a, namespace: na}
      provisioner: {name: b, namespace: nb}
      controllerPublish: {name: c, namespace: nc}
      nodeStage: {name: d, namespace: nd}
      nodePublish: {name: e, namespace: ne}
      controllerExpand: {name: f, namespace: nf}
      nodeExpand: {name: g, namespace: ng}
      controllerModify: {name: h, namespace: nh}
  volumeSnapshotClasses:
  - name: c
    secrets:
      snapshotter: {name: i, namespace: ni}
      snapshotterList: {name: j, namespace: nj}
  volumeGroupSnapshotClasses:
  - name: c
    secrets:
      groupSnapshotter: {name: k, namespace: nk}
      groupSnapshotterGet: {name: l, namespace: nl}
`)
	want := map[string]map[string]any{
		"StorageClass": {
			"csi.storage.k8s.io/secret-name": "a", "csi.storage.k8s.io/secret-namespace": "na",
			"csi.storage.k8s.io/provisioner-secret-name": "b", "csi.storage.k8s.io/provisioner-secret-namespace": "nb",
			"csi.storage.k8s.io/controller-publish-secret-name": "c", "csi.storage.k8s.io/controller-publish-secret-namespace": "nc",
			"csi.storage.k8s.io/node-stage-secret-name": "d", "csi.storage.k8s.io/node-stage-secret-namespace": "nd",
			"csi.storage.k8s.io/node-publish-secret-name": "e", "csi.storage.k8s.io/node-publish-secret-namespace": "ne",
			"csi.storage.k8s.io/controller-expand-secret-name": "f", "csi.storage.k8s.io/controller-expand-secret-namespace": "nf",
			"csi.storage.k8s.io/node-expand-secret-name": "g", "csi.storage.k8s.io/node-expand-secret-namespace": "ng",
			"csi.storage.k8s.io/controller-modify-secret-name": "h", "csi.storage.k8s.io/controller-modify-secret-namespace": "nh",
		},
		"VolumeSnapshotClass": {
			"csi.storage.k8s.io/snapshotter-secret-name": "i", "csi.storage.k8s.io/snapshotter-secret-namespace": "ni",
			"csi.storage.k8s.io/snapshotter-list-secret-name": "j", "csi.storage.k8s.io/snapshotter-list-secret-namespace": "nj",
		},
		"VolumeGroupSnapshotClass": {
			"csi.storage.k8s.io/group-snapshotter-secret-name": "k", "csi.storage.k8s.io/group-snapshotter-secret-namespace": "nk",
			"csi.storage.k8s.io/group-snapshotter-get-secret-name": "l", "csi.storage.k8s.io/group-snapshotter-get-secret-namespace": "nl",
		},
	}
	got := map[string]map[string]any{}
	for _, o := range mustRender(t, d).Objects {
		if IsClass(o.Intent.GetKind()) {
			got[o.Intent.GetKind()], _ = o.Intent.Object["parameters"].(map[string]any)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}
