// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/csi-operator/csi-operator/api/v1alpha1"
	"github.com/csi-operator/csi-operator/internal/desired"
	"github.com/csi-operator/csi-operator/internal/health"
	"github.com/csi-operator/csi-operator/internal/sidecar"
)

// The kinds of snapshots, which users and the snapshot-controller of the cluster make. They
// are looked at, where the cluster has them, to tell of those that nobody takes.
var (
	snapshotKind = schema.GroupVersionKind{Group: "snapshot.storage.k8s.io", Version: "v1", Kind: "VolumeSnapshot"}
	contentKind  = schema.GroupVersionKind{Group: "snapshot.storage.k8s.io", Version: "v1", Kind: "VolumeSnapshotContent"}
)

// optionalKinds are all kinds that are watched where the cluster has them.
func optionalKinds() []schema.GroupVersionKind {
	return append(desired.OptionalKinds(), snapshotKind, contentKind)
}

const (
	// labelManagedBy is on the contents of a snapshot-controller that shares them out among
	// nodes (names: external-snapshotter/pkg/utils/util.go).
	labelManagedBy = "snapshot.storage.kubernetes.io/managed-by"
	// annotationBeingCreated is on a content while csi-snapshotter works on it.
	annotationBeingCreated = "snapshot.storage.kubernetes.io/volumesnapshot-being-created"
	// taken and busy are the fields of a cached snapshot or content that are not its own:
	// whether somebody has begun with it, and works on it now.
	taken, busy = "taken", "busy"
	// untilTaken is how long a snapshot may wait for somebody to begin.
	untilTaken = 20 * time.Second
)

// stripSnapshot leaves of a VolumeSnapshot, or its content, whose it is and whether anybody
// has taken it. A cache does that twice to what it lists first.
func stripSnapshot(u *unstructured.Unstructured) *unstructured.Unstructured {
	if _, stripped := u.Object[taken]; stripped {
		return u
	}
	kept := &unstructured.Unstructured{Object: map[string]any{}}
	kept.SetGroupVersionKind(u.GroupVersionKind())
	kept.SetName(u.GetName())
	kept.SetNamespace(u.GetNamespace())
	kept.SetUID(u.GetUID())
	kept.SetResourceVersion(u.GetResourceVersion())
	if node, labelled := u.GetLabels()[labelManagedBy]; labelled {
		kept.SetLabels(map[string]string{labelManagedBy: node})
	}
	for _, field := range []string{"driver", "volumeSnapshotClassName"} {
		if v, found, _ := unstructured.NestedString(u.Object, "spec", field); found {
			kept.Object[field] = v
		}
	}
	status, _, _ := unstructured.NestedMap(u.Object, "status")
	kept.Object[busy] = u.GetAnnotations()[annotationBeingCreated] != ""
	kept.Object[taken] = kept.Object[busy] == true || len(status) > 0 || u.GetDeletionTimestamp() != nil
	return kept
}

// toSnapshotting maps a snapshot or a content to the drivers it waits for.
func (r *Reconciler) toSnapshotting(ctx context.Context, o client.Object) []reconcile.Request {
	u, ok := o.(*unstructured.Unstructured)
	if !ok {
		return nil
	}
	return r.toDrivers(ctx, func(d *v1alpha1.CSIDriverDeployment) bool { return waitsFor(u, d) })
}

// waitsFor tells whether a snapshot or a content is one of a driver. A snapshot without a
// class is one of the default class.
func waitsFor(u *unstructured.Unstructured, d *v1alpha1.CSIDriverDeployment) bool {
	if u.GetKind() == contentKind.Kind {
		return u.Object["driver"] == d.Name
	}
	class, named := u.Object["volumeSnapshotClassName"]
	return slices.ContainsFunc(d.Spec.VolumeSnapshotClasses, func(c v1alpha1.VolumeSnapshotClass) bool {
		return named && class == c.Name || !named && c.Default
	})
}

// snapshotsWaiting says which snapshots of a driver nobody takes, and returns when there may
// be more to tell; 0 for never.
func (r *Reconciler) snapshotsWaiting(ctx context.Context, d *v1alpha1.CSIDriverDeployment, rows []desired.Row) ([]string, time.Duration, error) {
	waiting := map[string][]*unstructured.Unstructured{}
	var waits []health.Wait
	for _, kind := range []schema.GroupVersionKind{snapshotKind, contentKind} {
		if !r.optional.has(kind) {
			continue
		}
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind)
		if err := r.cache.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil { // they are only looked at
			return nil, 0, fmt.Errorf("listing every %s: %w", kind.Kind, err)
		}
		waiting[kind.Kind] = untakenOf(list.Items, d)
		for _, u := range waiting[kind.Kind] {
			waits = append(waits, health.Wait{Key: string(u.GetUID()), Patience: untilTaken})
		}
	}
	overdue, again := r.snapshots.overdue(d.Name, waits, func(string) bool { return toldOf(d, v1alpha1.ReasonWaiting) })
	late := func(kind schema.GroupVersionKind) []*unstructured.Unstructured {
		return slices.DeleteFunc(waiting[kind.Kind], func(u *unstructured.Unstructured) bool { return !overdue[string(u.GetUID())] })
	}
	var told []string
	if list := late(snapshotKind); len(list) > 0 {
		told = append(told, fmt.Sprintf("VolumeSnapshot %s: no snapshot-controller takes it; the cluster needs one, whatever its drivers", namesIn(list)))
	}
	if list := late(contentKind); len(list) > 0 {
		told = append(told, fmt.Sprintf("VolumeSnapshotContent %s: no csi-snapshotter takes it; %s", namesIn(list), whyUntaken(list[0], rows)))
	}
	return told, again, nil
}

// untakenOf are those of a driver that nobody has begun with; none while somebody works on
// another one, since then they queue.
func untakenOf(all []unstructured.Unstructured, d *v1alpha1.CSIDriverDeployment) []*unstructured.Unstructured {
	var untaken []*unstructured.Unstructured
	for i := range all {
		u := &all[i]
		switch {
		case !waitsFor(u, d):
		case u.Object[busy] == true:
			return nil
		case u.Object[taken] == false:
			untaken = append(untaken, u)
		}
	}
	return untaken
}

// whyUntaken says what keeps a content from being taken.
func whyUntaken(content *unstructured.Unstructured, rows []desired.Row) string {
	at := slices.IndexFunc(rows, func(row desired.Row) bool { return row.Name == sidecar.SnapshotterContainer })
	switch _, shared := content.GetLabels()[labelManagedBy]; {
	case at < 0:
		return "the driver runs none"
	case rows[at].Component != v1alpha1.ComponentController && !shared:
		return "those of the nodes wait for label " + labelManagedBy + ", which a snapshot-controller sets that runs with --enable-distributed-snapshotting"
	case rows[at].Component != v1alpha1.ComponentController:
		return "see the pod on node " + content.GetLabels()[labelManagedBy]
	default:
		return "see its row in status.sidecars"
	}
}

// maxNames is how many objects a message names.
const maxNames = 3

// namesIn are the names of the first objects.
func namesIn(list []*unstructured.Unstructured) string {
	var names []string
	for _, u := range list {
		names = append(names, strings.TrimPrefix(u.GetNamespace()+"/"+u.GetName(), "/"))
	}
	return examples(names)
}

// examples are the first of some names, by name.
func examples(names []string) string {
	slices.Sort(names)
	if len(names) > maxNames {
		return strings.Join(names[:maxNames], ", ") + " and others"
	}
	return strings.Join(names, ", ")
}
